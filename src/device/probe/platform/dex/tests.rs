use proptest::prelude::*;

use super::*;

/// A class with static fields, as a dex file keeps it: name and value of each field, in the order of the file.
struct Class<'a> {
    name: &'a str,
    fields: &'a [(&'a str, &'a [u8])],
}

/// Writes a dex file; only what the reader looks at is filled in.
fn dex(classes: &[Class<'_>]) -> Vec<u8> {
    let mut strings: Vec<&str> = Vec::new();
    let mut types = Vec::new();
    let mut fields = Vec::new();
    let mut file = vec![0; HEADER_SIZE];
    file[..8].copy_from_slice(b"dex\n035\0");
    file[40..44].copy_from_slice(&BYTE_ORDER.to_le_bytes());
    let mut definitions = Vec::new();
    for (number, class) in classes.iter().enumerate() {
        types.extend(u32::try_from(strings.len()).unwrap().to_le_bytes());
        strings.push(class.name);
        let first = fields.len() / 8;
        let mut data = vec![u8::try_from(class.fields.len()).unwrap(), 0, 0, 0];
        let mut values =
            vec![u8::try_from(class.fields.iter().filter(|(_, value)| !value.is_empty()).count()).unwrap()];
        for (index, (name, value)) in class.fields.iter().enumerate() {
            fields.extend(u16::try_from(number).unwrap().to_le_bytes());
            fields.extend(0_u16.to_le_bytes());
            fields.extend(u32::try_from(strings.len()).unwrap().to_le_bytes());
            strings.push(name);
            data.extend([u8::try_from(if index == 0 { first } else { 1 }).unwrap(), 0x18]);
            values.extend(*value);
        }
        let mut definition = [0; 32];
        definition[..4].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
        definition[24..28].copy_from_slice(&u32::try_from(file.len()).unwrap().to_le_bytes());
        file.extend(data);
        definition[28..].copy_from_slice(&u32::try_from(file.len()).unwrap().to_le_bytes());
        file.extend(values);
        definitions.extend(definition);
    }
    let mut places = Vec::new();
    for string in &strings {
        places.extend(u32::try_from(file.len()).unwrap().to_le_bytes());
        file.push(u8::try_from(string.len()).unwrap());
        file.extend(string.bytes().chain([0]));
    }
    for (at, table, size) in [(56, &places, 4), (64, &types, 4), (80, &fields, 8), (96, &definitions, 32)] {
        let (count, offset) = (table.len() / size, file.len());
        file[at..at + 4].copy_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
        file[at + 4..at + 8].copy_from_slice(&u32::try_from(offset).unwrap().to_le_bytes());
        file.extend(table);
    }
    file
}

/// A dex file with the stub of one interface, such as `a/b/IC`.
pub(in super::super) fn stub(interface: &str, methods: &[(&str, u8)]) -> Vec<u8> {
    let names: Vec<String> = methods.iter().map(|(name, _)| format!("TRANSACTION_{name}")).collect();
    let values: Vec<[u8; 2]> = methods.iter().map(|(_, code)| [0x04, *code]).collect();
    let fields: Vec<(&str, &[u8])> =
        names.iter().zip(&values).map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    dex(&[Class { name: &format!("L{interface}$Stub;"), fields: &fields }])
}

fn clipboard() -> Vec<u8> {
    dex(&[
        Class { name: "Lcom/example/Other;", fields: &[("TRANSACTION_no", &[0x04, 9])] },
        Class {
            name: "Landroid/content/IClipboard$Stub;",
            fields: &[
                ("TRANSACTION_far", &[0x24, 0x34, 0x12]),
                ("TRANSACTION_getPrimaryClip", &[0x04, 4]),
                ("TRANSACTION_setPrimaryClip", &[0x04, 1]),
                ("flag", &[0x3f]),
                ("unset", &[]),
            ],
        },
    ])
}

#[test]
fn codes_of_stubs_are_read_and_nothing_else() {
    let found = transaction_codes(&clipboard()).unwrap();
    let methods = [(1, "setPrimaryClip"), (4, "getPrimaryClip"), (0x1234, "far")];
    let methods = methods.into_iter().map(|(code, name)| (code, name.to_owned())).collect();
    assert_eq!(found.interfaces, [("android.content.IClipboard".to_owned(), methods)].into());
    assert_eq!(found.skipped, BTreeMap::new());
}

#[test]
fn a_descriptor_in_the_stub_wins_and_nested_interfaces_have_dots() {
    let found = transaction_codes(&dex(&[
        Class { name: "La/b$Stub;", fields: &[("DESCRIPTOR", &[0x17, 2]), ("TRANSACTION_x", &[0x04, 1])] },
        Class { name: "La/Outer$IInner$Stub;", fields: &[("TRANSACTION_x", &[0x04, 1])] },
    ]))
    .unwrap();
    // String 2 is the name of the second field.
    assert_eq!(found.interfaces.keys().collect::<Vec<_>>(), ["TRANSACTION_x", "a.Outer.IInner"]);
}

#[test]
fn what_cannot_be_a_code_is_counted() {
    let skipped = |fields: &[(&str, &[u8])]| {
        let found = transaction_codes(&dex(&[Class { name: "La/B$Stub;", fields }])).unwrap();
        assert_eq!(found.interfaces, BTreeMap::new());
        found.skipped.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(skipped(&[("TRANSACTION_a", &[0x04, 0])]), [("code_out_of_range", 1)]);
    assert_eq!(skipped(&[("TRANSACTION_a", &[0x04, 0xff])]), [("code_out_of_range", 1)], "-1");
    assert_eq!(skipped(&[("TRANSACTION_a", &[0x64, 0, 0, 0, 1])]), [("code_out_of_range", 1)]);
    assert_eq!(skipped(&[("TRANSACTION_a", &[])]), [("code_without_value", 1)]);
    assert_eq!(skipped(&[("TRANSACTION_a", &[0x17, 0])]), [("code_without_value", 1)]);
    assert_eq!(skipped(&[("TRANSACTION_a", &[0x1c])]), [("value_nested", 1)]);
    assert_eq!(skipped(&[("TRANSACTION_a", &[0x84])]), [("value_too_long", 1)]);
    assert_eq!(skipped(&[("TRANSACTION_a b", &[0x04, 1])]), [("string_not_a_name", 1)]);
    assert_eq!(
        skipped(&[("TRANSACTION_a", &[0x04, 1]), ("TRANSACTION_b", &[0x04, 1])]),
        [("code_of_two_methods", 1)],
        "which of the two is not known"
    );
    assert_eq!(skipped(&[("TRANSACTION_", &[0x04, 1])]), []);
}

#[test]
fn each_reason_to_refuse_a_file() {
    let refused = |at: usize, bytes: &[u8]| {
        let mut file = clipboard();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        transaction_codes(&file).unwrap_err()
    };
    assert_eq!(transaction_codes(b"dex\n035"), Err(DexError::NotDex));
    assert_eq!(refused(0, b"cdex"), DexError::NotDex);
    assert_eq!(refused(4, b"041"), DexError::Container);
    assert_eq!(refused(4, b"099"), DexError::Version(*b"099"));
    assert_eq!(refused(40, &[0x12, 0x34, 0x56, 0x78]), DexError::ByteOrder(0x7856_3412));
    let length = clipboard().len();
    let offset = word(&clipboard(), 100).unwrap();
    assert_eq!(
        refused(96, &u32::MAX.to_le_bytes()),
        DexError::Table { table: "classes", count: u32::MAX, offset, length }
    );
    for version in VERSIONS {
        let mut file = clipboard();
        file[4..7].copy_from_slice(*version);
        assert_eq!(transaction_codes(&file).unwrap().interfaces.len(), 1);
    }
}

#[test]
fn many_classes_with_one_long_list_end() {
    // Every class points at the same data: more fields than any real file has, in a file that is not long.
    let names: Vec<String> = (0..120).map(|number| format!("f{number}")).collect();
    let fields: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let mut file = dex(&[Class { name: "La/B$Stub;", fields: &fields }]);
    let offset = usize::try_from(word(&file, 100).unwrap()).unwrap();
    let definition = file[offset..offset + 32].to_vec();
    for _ in 0..4999 {
        file.extend(&definition);
    }
    file[96..100].copy_from_slice(&5000_u32.to_le_bytes());
    let found = transaction_codes(&file).unwrap();
    assert_eq!(found.skipped, [("too_many_fields", 5000 - u64::from(FIELDS_MAX) / 120)].into());
}

proptest! {
    #[test]
    fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = transaction_codes(&bytes);
        let mut file = clipboard();
        let length = file.len().min(HEADER_SIZE + bytes.len());
        file[HEADER_SIZE..length].copy_from_slice(&bytes[..length - HEADER_SIZE]);
        let _ = transaction_codes(&file);
    }

    #[test]
    fn damage_never_makes_a_code_out_of_range(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
        let mut file = clipboard();
        for (place, value) in places {
            let at = place.index(file.len());
            file[at] = value;
        }
        file.truncate(cut.index(file.len() * 4).max(1));
        if let Ok(found) = transaction_codes(&file) {
            for methods in found.interfaces.values() {
                prop_assert!(methods.keys().all(|code| CODES.contains(&i64::from(*code))));
                prop_assert!(methods.values().all(|name| !name.is_empty() && name.len() <= NAME_MAX));
            }
        }
    }
}
