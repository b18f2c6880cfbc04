//! The command that goes on with a profile: the one that was typed, less what would begin it anew.

use std::borrow::Cow;

/// The command line of this program, ready to be typed again.
pub(crate) fn command() -> String {
    let arguments: Vec<_> = std::env::args_os().collect();
    of(arguments.iter().map(|argument| argument.to_string_lossy()))
}

fn of<'a>(arguments: impl Iterator<Item = Cow<'a, str>>) -> String {
    let kept = arguments.filter(|argument| argument != "--restart");
    kept.map(|argument| quoted(&argument)).collect::<Vec<_>>().join(" ")
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:%@+,".contains(&byte);
    if !argument.is_empty() && argument.bytes().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_ready_to_type_and_begins_nothing_anew() {
        let typed = ["host", "profile", "--restart", "--out", "my table's.json", "--space=a.toml"];
        let again = of(typed.into_iter().map(Cow::Borrowed));
        assert_eq!(again, r"host profile --out 'my table'\''s.json' --space=a.toml");
    }
}
