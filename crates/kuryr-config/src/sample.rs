//! A commented kuryr.conf made from the option table, in the manner of oslo-config-generator.

use crate::{
    ini::assignment,
    options::{self, Kind, OptionSpec, Use},
};

/// Widest comment line, in characters.
const WIDTH: usize = 79;

const HEAD: &str = "kuryr.conf: every option with its default. Take the '#' away from what you change, and see what \
                    'kuryr config check' says. An option's environment variable, as in OS_NEUTRON__AUTH_URL, wins over \
                    this file.";

/// Every option with its help, type, default and old names, all commented out.
pub fn sample() -> String {
    let mut text = String::new();
    comment(HEAD, &mut text);
    for group in options::GROUPS {
        text.push_str(&format!("\n[{group}]\n"));
        for option in options::all().filter(|option| option.group == *group) {
            if !matches!(option.usage, Use::Stray(_)) {
                text.push('\n');
                describe(option, &mut text);
            }
        }
    }
    text
}

fn describe(option: &OptionSpec, text: &mut String) {
    comment(&format!("{} ({})", option.help, option.kind.name()), text);
    if let Use::Accepted(why) = option.usage {
        comment(&format!("Accepted and without effect: {why}."), text);
    }
    if option.is_live() {
        comment("A running Kuryr follows a change of it when it gets SIGHUP.", text);
    }
    match option.kind {
        Kind::Integer { min, max } if (min, max) != (i64::MIN, i64::MAX) => {
            comment(&format!("Minimum value: {min}"), text);
            comment(&format!("Maximum value: {max}"), text);
        }
        Kind::Choice { words, .. } => {
            let words: Vec<_> = words.iter().map(|word| if word.is_empty() { "''" } else { word }).collect();
            comment(&format!("Possible values: {}", words.join(", ")), text);
        }
        _ => {}
    }
    for old in option.deprecated {
        comment(&format!("Deprecated group/name - [{}]/{old}", option.group), text);
    }
    if let Some(variable) = option.default_variable {
        comment(&format!("Default from the environment variable {variable}, if that is set."), text);
    }
    text.push('#');
    text.push_str(&assignment(option.name, option.default.unwrap_or("<None>")));
    text.push('\n');
}

fn comment(sentence: &str, text: &mut String) {
    let mut line = String::from("#");
    for word in sentence.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}
