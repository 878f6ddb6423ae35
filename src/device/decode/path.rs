//! Paths: from kernel components, from an argument and its directory, or from a `/proc` link.
//!
//! A path that is whole begins with `/`. What is missing is marked with [`MISSING`]: in front (`?/DCIM/1.jpg`) when
//! leading directories are not known, at the end when the argument was cut there, and alone when nothing is known. A path
//! with missing directories never begins with `/`, so that `?/etc/hosts` cannot be taken for `/etc/hosts`.
//!
//! Bytes that are not UTF-8, control characters and backslashes are escaped as `\xNN` (see `text.rs`).

use super::text::{append_printable, printable};

/// Stands for the part of a path that is not known.
pub const MISSING: &str = "?";

/// A path, and whether parts of it are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathText {
    /// The path; see the module for its form.
    pub text: String,
    /// Parts are missing.
    pub cut: bool,
}

impl PathText {
    /// A path of which nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self { text: MISSING.to_owned(), cut: true }
    }
}

/// The path of a kernel object: `bytes` are its components, leaf first, each ended by NUL; `cut` says that components next
/// to the root are missing.
#[must_use]
pub fn from_components(bytes: &[u8], cut: bool) -> PathText {
    let mut components: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    // After the last NUL comes an empty piece. Anything else there is a component whose end is missing.
    let partial = components.pop().is_some_and(|last| !last.is_empty());
    let cut = cut || partial;
    components.retain(|component| !component.is_empty());
    let mut text = String::with_capacity(bytes.len() + 1);
    if cut {
        text.push_str(MISSING);
    }
    for component in components.iter().rev() {
        text.push('/');
        append_component(&mut text, component);
    }
    if text.is_empty() {
        text.push('/');
    }
    PathText { text, cut }
}

/// A component, in which a slash cannot be a separator.
fn append_component(text: &mut String, component: &[u8]) {
    for (position, piece) in component.split(|byte| *byte == b'/').enumerate() {
        if position > 0 {
            text.push_str("\\x2f");
        }
        append_printable(text, piece);
    }
}

/// The path that an argument means, given the directory it is relative to (`None`: not known).
///
/// `.`, `..` and repeated slashes are resolved by text alone. Where a component before `..` is a symbolic link, that names
/// another file than the kernel found; only the kernel's own object tells, and where a probe has it, it is used instead.
#[must_use]
pub fn from_argument(argument: &[u8], argument_cut: bool, base: Option<&PathText>) -> PathText {
    let absolute = argument.first() == Some(&b'/');
    let (head, head_cut) = match base {
        _ if absolute => ("", false),
        Some(base) if base.text == "/" => ("", false),
        Some(base) => (base.text.as_str(), base.cut),
        None => (MISSING, true),
    };
    let mut text = String::with_capacity(head.len() + argument.len() + 1);
    text.push_str(head);
    // What is in front of the first slash is not a directory that `..` could leave: nothing, or the mark.
    let floor = if text.starts_with(MISSING) { MISSING.len() } else { 0 };
    for component in argument.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                let parent = text.rfind('/').unwrap_or(floor).max(floor);
                text.truncate(parent);
            }
            _ => {
                text.push('/');
                append_printable(&mut text, component);
            }
        }
    }
    if argument_cut {
        text.push_str(MISSING);
    }
    if text.is_empty() {
        text.push('/');
    }
    PathText { text, cut: head_cut || argument_cut }
}

/// The path in a link of `/proc/PID/fd`, `/proc/PID/cwd` and the like. What is not a path (`pipe:[17]`) stays as it is.
#[must_use]
pub fn from_link(text: &[u8], cut: bool) -> PathText {
    // The kernel adds this to the link of a file that has been unlinked. The name without it is the name that the file
    // had, and that the other probes report.
    let text = text.strip_suffix(b" (deleted)").unwrap_or(text);
    if text.first() == Some(&b'/') {
        return from_argument(text, cut, None);
    }
    let mut text = printable(text);
    if cut || text.is_empty() {
        text.push_str(MISSING);
        return PathText { text, cut: true };
    }
    PathText { text, cut: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> PathText {
        PathText { text: text.to_owned(), cut: false }
    }

    fn cut(text: &str) -> PathText {
        PathText { text: text.to_owned(), cut: true }
    }

    #[test]
    fn kernel_components_come_leaf_first() {
        assert_eq!(from_components(b"passwd\0etc\0", false), whole("/etc/passwd"));
        assert_eq!(from_components(b"passwd\0etc\0\0", false), whole("/etc/passwd"), "the root may be there, empty");
        assert_eq!(from_components(b"", false), whole("/"));
        assert_eq!(from_components(b"\0", false), whole("/"));
        assert_eq!(from_components(b"a/b\0etc\0", false), whole("/etc/a\\x2fb"));
        assert_eq!(from_components(b"\xff\0d\0", false), whole("/d/\\xff"));
    }

    #[test]
    fn cut_components_do_not_look_absolute() {
        assert_eq!(from_components(b"passwd\0etc\0", true), cut("?/etc/passwd"));
        assert_eq!(from_components(b"passwd\0et", false), cut("?/passwd"), "half a component is not a component");
        assert_eq!(from_components(b"", true), cut("?"));
    }

    #[test]
    fn arguments_are_completed_and_normalised() {
        let base = whole("/data/data/app");
        let table = [
            ("/etc//./hosts", "/etc/hosts"),
            ("/a/b/../../../c", "/c"),
            ("/", "/"),
            ("/..", "/"),
            ("files/x", "/data/data/app/files/x"),
            ("./x", "/data/data/app/x"),
            ("../other/x", "/data/data/other/x"),
            ("../../../../x", "/x"),
            ("", "/data/data/app"),
            (".", "/data/data/app"),
            ("...", "/data/data/app/..."),
            ("a/", "/data/data/app/a"),
        ];
        for (argument, expected) in table {
            assert_eq!(from_argument(argument.as_bytes(), false, Some(&base)), whole(expected), "{argument}");
        }
        assert_eq!(from_argument(b"x", false, Some(&whole("/"))), whole("/x"));
    }

    #[test]
    fn without_the_directory_the_path_is_marked() {
        assert_eq!(from_argument(b"a/../b", false, None), cut("?/b"));
        assert_eq!(from_argument(b"../../b", false, None), cut("?/b"), "the parent of what is not known is not known");
        assert_eq!(from_argument(b"../b", false, Some(&cut("?/d"))), cut("?/b"));
        assert_eq!(from_argument(b"/etc/hos", true, None), cut("/etc/hos?"));
        assert_eq!(from_argument(b"/etc/hosts", false, None), whole("/etc/hosts"));
    }

    #[test]
    fn links_of_proc() {
        assert_eq!(from_link(b"/tmp/x (deleted)", false), whole("/tmp/x"));
        assert_eq!(from_link(b"pipe:[17]", false), whole("pipe:[17]"));
        assert_eq!(from_link(b"", false), cut("?"));
        assert_eq!(from_link(b"/a/b", true), cut("/a/b?"));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_printable_path(bytes: Vec<u8>, base: Vec<u8>, flag: bool) {
            let base = from_components(&base, flag);
            for path in [from_components(&bytes, flag), from_argument(&bytes, flag, Some(&base)),
                         from_argument(&bytes, flag, None), from_link(&bytes, flag)] {
                prop_assert!(!path.text.is_empty());
                prop_assert!(!path.text.chars().any(char::is_control));
            }
        }

        #[test]
        fn an_absolute_argument_is_normalised(argument in "(/[a-z.]{0,3}){1,8}") {
            let path = from_argument(argument.as_bytes(), false, None);
            prop_assert!(path.text.starts_with('/') && !path.cut);
            prop_assert!(path.text == "/" || path.text.split('/').skip(1).all(|part| !matches!(part, "" | "." | "..")));
            let again = from_argument(path.text.as_bytes(), false, None);
            prop_assert_eq!(again, path);
        }
    }
}
