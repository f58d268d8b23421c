//! Rust source with comments and the insides of strings blanked out, line for line.

/// Which kind of text the cursor is in.
#[derive(Clone, Copy)]
enum At {
    Code,
    Line,
    Block(usize),
    Text,
    Raw(usize),
}

/// The same lines, with comments and string contents replaced by spaces, so that words in them are not taken for code.
pub fn only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = At::Code;
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        let next = chars.get(i + 1).copied();
        let mut taken = 1;
        let mut shown = c;
        match at {
            At::Code => match (c, next) {
                ('/', Some('/')) => (at, shown) = (At::Line, ' '),
                ('/', Some('*')) => (at, shown, taken) = (At::Block(1), ' ', 2),
                ('"', _) => at = At::Text,
                ('r', Some('"' | '#')) if !follows_word(&chars, i) => {
                    let hashes = chars[i + 1..].iter().take_while(|&&c| c == '#').count();
                    if chars.get(i + 1 + hashes) == Some(&'"') {
                        (at, taken) = (At::Raw(hashes), hashes + 2);
                    }
                }
                // A character literal such as '"' must not open a string; a lifetime has no closing quote so near.
                ('\'', Some('\\')) => {
                    taken = chars[i + 2..].iter().skip(1).position(|&c| c == '\'').map_or(1, |n| n + 4)
                }
                ('\'', Some(_)) if chars.get(i + 2) == Some(&'\'') => taken = 3,
                _ => {}
            },
            At::Line => {
                shown = ' ';
                if c == '\n' {
                    at = At::Code;
                }
            }
            At::Block(depth) => {
                shown = ' ';
                match (c, next) {
                    ('*', Some('/')) => {
                        taken = 2;
                        at = if depth == 1 { At::Code } else { At::Block(depth - 1) };
                    }
                    ('/', Some('*')) => (at, taken) = (At::Block(depth + 1), 2),
                    _ => {}
                }
            }
            At::Text => match c {
                '\\' => (shown, taken) = (' ', 2),
                '"' => at = At::Code,
                _ => shown = ' ',
            },
            At::Raw(hashes) => {
                let closes = c == '"' && chars[i + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
                if closes {
                    (at, taken) = (At::Code, hashes + 1);
                } else {
                    shown = ' ';
                }
            }
        }
        for (offset, &skipped) in chars[i..chars.len().min(i + taken)].iter().enumerate() {
            out.push(match skipped {
                '\n' => '\n',
                _ if offset == 0 => shown,
                _ => ' ',
            });
        }
        i += taken;
    }
    out
}

fn follows_word(chars: &[char], i: usize) -> bool {
    i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_')
}

/// Whether `word` stands in `line` as a word of its own.
pub fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part);
        let after = line[at + word.len()..].chars().next().is_some_and(part);
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_vanish_and_lines_stay() {
        let source = "let a = \"unsafe\"; // unsafe\n/* unsafe /* x */ unsafe */ unsafe {}\nr#\"unsafe\"# '\"' unsafe";
        let code = only(source);
        let lines: Vec<&str> = code.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(!has_word(lines[0], "unsafe"), "{:?}", lines[0]);
        assert_eq!(lines[1].matches("unsafe").count(), 1, "{:?}", lines[1]);
        assert_eq!(lines[2].matches("unsafe").count(), 1, "{:?}", lines[2]);
    }

    #[test]
    fn character_literals_and_lifetimes_do_not_open_strings() {
        for source in
            ["'\\'' unsafe", "'\\u{1F600}' unsafe", "fn f<'a>(x: &'a str) unsafe", "b'\"' unsafe", "\"\\\"\" unsafe"]
        {
            assert!(has_word(&only(source), "unsafe"), "{source}");
        }
    }

    #[test]
    fn a_word_is_not_part_of_another() {
        assert!(has_word("unsafe {", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(!has_word("not_unsafe", "unsafe"));
    }
}
