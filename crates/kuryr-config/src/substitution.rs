//! `$option`, `${group.option}` and `$$` in values, as oslo.config substitutes them.

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// A dollar sign that was written `$$`.
    Dollar,
    /// The value of another option, in the same group unless it names one.
    Reference {
        /// The group named.
        group: Option<&'a str>,
        /// The option named.
        name: &'a str,
    },
}

/// A value with `\$` as what it means, `$$`. oslo.config does this first, so `$\$a` is a dollar and a reference.
pub(crate) fn unescape(text: &str) -> String {
    text.replace(r"\$", "$$")
}

/// Cuts a value, unescaped, into pieces. A dollar that begins nothing is a dollar.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        pieces.push(Piece::Text(before));
        let (piece, length) = reference(after);
        pieces.push(piece);
        rest = &after[length..];
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    pieces
}

/// What a dollar begins, given what is behind it, and how much of that belongs to it.
fn reference(after: &str) -> (Piece<'_>, usize) {
    if after.starts_with('$') {
        return (Piece::Dollar, 1);
    }
    let braced = after.strip_prefix('{');
    let body = braced.unwrap_or(after);
    let name = &body[..name_length(body)];
    let closed = braced.is_none() || body[name.len()..].starts_with('}');
    if name.is_empty() || !closed {
        return (Piece::Text("$"), 0);
    }
    let length = if braced.is_some() { name.len() + 2 } else { name.len() };
    let piece = match name.split_once('.') {
        Some((group, name)) => Piece::Reference { group: Some(group), name },
        None => Piece::Reference { group: None, name },
    };
    (piece, length)
}

fn name_length(text: &str) -> usize {
    let begins = text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
    if !begins {
        return 0;
    }
    text.find(|c: char| !(c == '_' || c == '.' || c.is_ascii_alphanumeric())).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(group: Option<&'static str>, name: &'static str) -> Piece<'static> {
        Piece::Reference { group, name }
    }

    #[test]
    fn references_and_dollars() {
        assert_eq!(pieces("$bindir/x"), [reference(None, "bindir"), Piece::Text("/x")]);
        assert_eq!(
            pieces("a${neutron.username}b"),
            [Piece::Text("a"), reference(Some("neutron"), "username"), Piece::Text("b")]
        );
        assert_eq!(pieces("$cloud.mtu"), [reference(Some("cloud"), "mtu")]);
        assert_eq!(
            pieces(&unescape(r"a$$b\$c")),
            [Piece::Text("a"), Piece::Dollar, Piece::Text("b"), Piece::Dollar, Piece::Text("c")]
        );
    }

    #[test]
    fn escapes_come_first() {
        assert_eq!(pieces(&unescape(r"$\$a")), [Piece::Dollar, reference(None, "a")]);
    }

    #[test]
    fn a_dollar_that_begins_nothing_is_a_dollar() {
        for text in ["$", "$1", "${", "${}", "${a", "$ a", "$-"] {
            let again: String = pieces(text)
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => *text,
                    other => panic!("{text}: {other:?}"),
                })
                .collect();
            assert_eq!(again, text);
        }
    }
}
