//! What is taken out of texts before they leave the device: selections and URIs carry what the user typed, and whom it is
//! about.

/// Paths of which one segment is what somebody typed or dialled. The segment after the named one is replaced.
const TYPED_AFTER: &[&str] =
    &["filter", "lookup", "phone_lookup", "search", "search_suggest_query", "search_suggest_shortcut"];

/// A URI with the values of its query, and typed segments of its path, replaced by `*`; fragments go.
pub(crate) fn uri(uri: &str) -> String {
    let (rest, _fragment) = uri.split_once('#').unwrap_or((uri, ""));
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let (head, path) = match path.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) =
                rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
            (format!("{scheme}://{authority}"), path)
        }
        // An opaque URI: `tel:` and the like are nothing but what was typed.
        None => {
            let scheme = path.split_once(':').map(|(scheme, _)| format!("{scheme}:*"));
            (scheme.unwrap_or_else(|| path.to_owned()), None)
        }
    };
    let mut text = head;
    let mut typed = false;
    for segment in path.into_iter().flat_map(|path| path.split('/')) {
        text.push('/');
        text.push_str(if typed && !segment.is_empty() { "*" } else { segment });
        typed = TYPED_AFTER.contains(&segment) || (typed && !segment.is_empty());
    }
    if let Some(query) = query {
        let parameters: Vec<String> = query
            .split('&')
            .map(|parameter| match parameter.split_once('=') {
                Some((name, _)) => format!("{name}=*"),
                None => "*".to_owned(),
            })
            .collect();
        text.push('?');
        text.push_str(&parameters.join("&"));
    }
    text
}

/// A selection with every literal replaced by `?`: quoted texts, numbers, blobs. Names of columns keep their digits.
pub(crate) fn selection(selection: &str) -> String {
    let mut text = String::with_capacity(selection.len());
    let mut characters = selection.chars().peekable();
    // Whether the last character belongs to a name.
    let mut in_name = false;
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                // A doubled quote is part of the text. The `x` of a blob stands before the quote and goes with it.
                while let Some(inside) = characters.next() {
                    if inside == '\'' && characters.next_if_eq(&'\'').is_none() {
                        break;
                    }
                }
                if text.ends_with(['x', 'X']) && !ends_in_name(text.get(..text.len() - 1).unwrap_or_default()) {
                    text.pop();
                }
                text.push('?');
                in_name = false;
            }
            digit if digit.is_ascii_digit() && !in_name => {
                while characters.next_if(|next| next.is_ascii_alphanumeric() || *next == '.').is_some() {}
                text.push('?');
                in_name = false;
            }
            other => {
                in_name = is_name(other) || (in_name && other.is_ascii_digit());
                text.push(other);
            }
        }
    }
    text
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

fn ends_in_name(text: &str) -> bool {
    text.chars().next_back().is_some_and(is_name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_typed_goes() {
        for (given, told) in [
            ("content://com.android.contacts/data/phones", "content://com.android.contacts/data/phones"),
            ("content://com.android.contacts/contacts/17", "content://com.android.contacts/contacts/17"),
            (
                "content://com.android.contacts/phone_lookup/%2B49301234",
                "content://com.android.contacts/phone_lookup/*",
            ),
            (
                "content://com.android.contacts/data/phones/filter/anna/x?limit=5&q",
                "content://com.android.contacts/data/phones/filter/*/*?limit=*&*",
            ),
            ("content://a/b#secret", "content://a/b"),
            ("tel:+49301234", "tel:*"),
            ("content://media", "content://media"),
        ] {
            assert_eq!(uri(given), told);
        }
    }

    #[test]
    fn literals_go_and_columns_stay() {
        for (given, told) in [
            ("mimetype=? AND data1 LIKE '%anna%'", "mimetype=? AND data1 LIKE ?"),
            ("_id IN (1, 22,3.5e2) OR x='it''s'", "_id IN (?, ?,?) OR x=?"),
            ("data=x'00ff' AND max=X'1'", "data=? AND max=?"),
            ("name='unfinished", "name=?"),
            ("data15 = 0x7f", "data15 = ?"),
        ] {
            assert_eq!(selection(given), told);
        }
    }

    proptest! {
        #[test]
        fn no_quoted_text_survives(before in "[a-z_ =]{0,10}", secret in "[0-9A-Z]{6,12}", after in "[a-z ]{0,10}") {
            let told = selection(&format!("{before}'{secret}'{after}"));
            prop_assert!(!told.contains(&secret), "{told}");
            let told = uri(&format!("content://a/{after}?x={secret}"));
            prop_assert!(!told.contains(&secret), "{told}");
        }
    }
}
