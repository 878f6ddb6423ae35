//! A content provider: rows in memory, the calls of IContentProvider, permissions by the caller's user id.
//!
//! A selection is understood as far as `COLUMN=?` joined by AND, and as an `_id` at the end of the Uri's path.

use crate::api::Api;
use crate::cursor;
use crate::parcel_reader as read;
use crate::parcel_writer::{Uri, Value, Writer};
use crate::permissions::Guard;
use crate::service::{Answer, Exception, Service};
use rsbinder::{Parcel, ParcelFileDescriptor};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a kind of provider is.
pub struct Kind {
    /// How it is asked for on the command line.
    pub name: &'static str,
    /// The package whose process it lives in.
    pub package: &'static str,
    /// Its authorities, separated by semicolons.
    pub authorities: &'static str,
    read: &'static str,
    write: &'static str,
    columns: &'static [&'static str],
    rows: &'static [&'static [&'static str]],
    mime: &'static str,
}

/// The providers there are. Contacts have two authorities on purpose: one binder, two names.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "contacts",
        package: "com.android.providers.contacts",
        authorities: "com.android.contacts;contacts",
        read: "READ_CONTACTS",
        write: "WRITE_CONTACTS",
        columns: &["_id", "display_name", "data1", "mimetype", "starred"],
        rows: &[
            &["1", "Ada Lovelace", "+442079460001", "vnd.android.cursor.item/phone_v2", "1"],
            &["2", "Li Lei", "+8613800138000", "vnd.android.cursor.item/phone_v2", "0"],
            &["3", "Han Meimei", "+8613900139000", "vnd.android.cursor.item/phone_v2", "0"],
            &["4", "Li Lei", "lilei@example.com", "vnd.android.cursor.item/email_v2", "0"],
        ],
        mime: "vnd.android.cursor.dir/contact",
    },
    Kind {
        name: "call_log",
        package: "com.android.providers.contacts",
        authorities: "call_log",
        read: "READ_CALL_LOG",
        write: "WRITE_CALL_LOG",
        columns: &["_id", "number", "date", "duration", "type"],
        rows: &[
            &["1", "+8613800138000", "1760000000000", "61", "1"],
            &["2", "+442079460001", "1760000100000", "0", "3"],
        ],
        mime: "vnd.android.cursor.dir/calls",
    },
    Kind {
        name: "sms",
        package: "com.android.providers.telephony",
        authorities: "sms;mms;mms-sms",
        read: "READ_SMS",
        write: "SEND_SMS",
        columns: &["_id", "address", "body", "date"],
        rows: &[&["1", "10086", "Your code is 482913", "1760000200000"]],
        mime: "vnd.android.cursor.dir/sms",
    },
    Kind {
        name: "calendar",
        package: "com.android.providers.calendar",
        authorities: "com.android.calendar",
        read: "READ_CALENDAR",
        write: "WRITE_CALENDAR",
        columns: &["_id", "title", "dtstart", "dtend", "eventLocation"],
        rows: &[
            &["1", "Dentist", "1760003600000", "1760007200000", "Leith Walk 7"],
            &["2", "Stand-up", "1760010000000", "1760010900000", ""],
        ],
        mime: "vnd.android.cursor.dir/event",
    },
    Kind {
        name: "media",
        package: "com.android.providers.media.module",
        authorities: "media",
        read: "READ_MEDIA_IMAGES",
        write: "WRITE_EXTERNAL_STORAGE",
        columns: &["_id", "_display_name", "_data", "latitude"],
        rows: &[&["1", "IMG_0001.jpg", "/storage/emulated/0/DCIM/Camera/IMG_0001.jpg", "55.95"]],
        mime: "vnd.android.cursor.dir/image",
    },
    Kind {
        name: "settings",
        package: "com.android.providers.settings",
        authorities: "settings",
        read: "",
        write: "WRITE_SECURE_SETTINGS",
        columns: &["_id", "name", "value"],
        rows: &[
            &["1", "android_id", "9774d56d682e549c"],
            &["2", "default_input_method", "com.android.inputmethod.latin/.LatinIME"],
            &["3", "bluetooth_name", "Candor test device"],
        ],
        mime: "vnd.android.cursor.dir/secure",
    },
];

type Row = Vec<String>;

/// A provider that serves.
pub struct Provider {
    api: Api,
    kind: &'static Kind,
    guard: Guard,
    rows: Mutex<Vec<Row>>,
}

impl Provider {
    /// One of that kind, with its first rows.
    pub fn new(api: Api, kind: &'static Kind, guard: Guard) -> Self {
        let rows = kind.rows.iter().map(|row| row.iter().map(|&cell| cell.to_owned()).collect()).collect();
        Self { api, kind, guard, rows: Mutex::new(rows) }
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of a Uri that is this provider's own, without the slash it begins with.
    fn path(&self, uri: &str) -> Result<String, Exception> {
        let unknown = || Exception::IllegalArgument(format!("Unknown URI {uri}"));
        let rest = uri.strip_prefix("content://").ok_or_else(unknown)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = authority.rsplit_once('@').map_or(authority, |(_user, authority)| authority);
        if !self.kind.authorities.split(';').any(|own| own == authority) {
            return Err(unknown());
        }
        Ok(path.split('?').next().unwrap_or_default().to_owned())
    }

    fn may(&self, permission: &str, what: &str, uri: &str) -> Answer {
        if permission.is_empty() {
            return Ok(());
        }
        let doing = format!("Permission Denial: {what} {}.Provider uri {uri}", self.kind.package);
        self.guard.require(permission, &doing)
    }

    fn column(&self, name: &str) -> Result<usize, Exception> {
        let place = self.kind.columns.iter().position(|column| *column == name);
        place.ok_or_else(|| Exception::IllegalArgument(format!("Invalid column {name}")))
    }

    /// Which columns must hold which values.
    fn conditions(&self, path: &str, wanted: &Selection) -> Result<Vec<(usize, String)>, Exception> {
        let mut conditions = Vec::new();
        if let Some(id) = path.rsplit('/').next().filter(|id| id.parse::<u64>().is_ok()) {
            conditions.push((0, id.to_owned()));
        }
        let mut arguments = wanted.arguments.iter();
        for term in wanted.selection.split(" AND ").map(str::trim).filter(|term| !term.is_empty()) {
            let Some((column, "?")) = term.split_once('=').map(|(column, mark)| (column.trim(), mark.trim())) else {
                return Err(Exception::IllegalArgument(format!("not understood: {term}")));
            };
            let argument = arguments.next().ok_or_else(|| Exception::IllegalArgument("too few arguments".into()))?;
            conditions.push((self.column(column)?, argument.clone()));
        }
        Ok(conditions)
    }

    fn query(&self, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
        read::caller(self.api, arguments)?;
        let uri = read::uri(self.api, arguments)?;
        let projection = read::strings16(arguments)?;
        let wanted = Selection::from_bundle(&read::bundle(self.api, arguments)?);
        // The observer.
        read::skip_binder(arguments)?;
        let path = self.path(&uri)?;
        self.may(self.kind.read, "reading", &uri)?;
        let conditions = self.conditions(&path, &wanted)?;
        let names: Vec<String> = if projection.is_empty() {
            self.kind.columns.iter().map(|&name| name.to_owned()).collect()
        } else {
            projection
        };
        let places = names.iter().map(|name| self.column(name)).collect::<Result<Vec<_>, _>>()?;
        let cell = |row: &Row, place: usize| row.get(place).cloned().unwrap_or_default();
        let rows: Vec<Row> = {
            let rows = self.rows();
            let found = rows.iter().filter(|row| fits(row, &conditions));
            found.map(|row| places.iter().map(|&place| cell(row, place)).collect()).collect()
        };
        cursor::write(self.api, reply, &names, &rows)
    }

    fn insert(&self, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
        read::caller(self.api, arguments)?;
        let uri = read::uri(self.api, arguments)?;
        let values = read::content_values(self.api, arguments)?;
        self.path(&uri)?;
        self.may(self.kind.write, "writing", &uri)?;
        let mut row = vec![String::new(); self.kind.columns.len()];
        self.assign(&mut row, &values)?;
        let mut rows = self.rows();
        let id = (rows.len() + 1).to_string();
        if let Some(cell) = row.first_mut() {
            cell.clone_from(&id);
        }
        rows.push(row);
        reply.uri(&Uri::Text(format!("{uri}/{id}")))?;
        Ok(())
    }

    fn assign(&self, row: &mut Row, values: &[(String, Value)]) -> Answer {
        for (name, value) in values {
            let place = self.column(name)?;
            if let Some(cell) = row.get_mut(place) {
                *cell = text_of(value);
            }
        }
        Ok(())
    }

    fn change(&self, arguments: &mut Parcel, reply: &mut Writer, update: bool) -> Answer {
        read::caller(self.api, arguments)?;
        let uri = read::uri(self.api, arguments)?;
        let values = if update { read::content_values(self.api, arguments)? } else { Vec::new() };
        let wanted = if self.api.level() >= 30 {
            Selection::from_bundle(&read::bundle(self.api, arguments)?)
        } else {
            let selection = read::string16(arguments)?.unwrap_or_default();
            Selection { selection, arguments: read::strings16(arguments)? }
        };
        let path = self.path(&uri)?;
        self.may(self.kind.write, "writing", &uri)?;
        let conditions = self.conditions(&path, &wanted)?;
        let mut rows = self.rows();
        let mut count = 0;
        if update {
            for row in rows.iter_mut().filter(|row| fits(row, &conditions)) {
                self.assign(row, &values)?;
                count += 1;
            }
        } else {
            let before = rows.len();
            rows.retain(|row| !fits(row, &conditions));
            count = before - rows.len();
        }
        reply.i32(i32::try_from(count).unwrap_or(i32::MAX))?;
        Ok(())
    }

    /// Settings are read by `call`.
    fn get(&self, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
        read::caller(self.api, arguments)?;
        if self.api.level() >= 29 {
            read::string16(arguments)?;
        }
        let method = read::string16(arguments)?.unwrap_or_default();
        let argument = read::string16(arguments)?.unwrap_or_default();
        match method.split_once('_') {
            Some(("GET", _table)) if self.kind.name == "settings" => {
                let mut rows = self.rows().clone().into_iter();
                let found = rows.find(|row| row.get(1) == Some(&argument)).and_then(|row| row.get(2).cloned());
                reply.bundle(Some(&[("value", found.map_or(Value::Null, Value::Text))]))?;
                Ok(())
            }
            Some(("PUT", _)) => self.may(self.kind.write, "writing", &method),
            // As ContentProvider does it: what it does not know gives null.
            _ => Ok(reply.bundle(None)?),
        }
    }

    fn open_file(&self, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
        read::caller(self.api, arguments)?;
        let uri = read::uri(self.api, arguments)?;
        let mode = read::string16(arguments)?.unwrap_or_default();
        self.path(&uri)?;
        self.may(if mode.contains('w') { self.kind.write } else { self.kind.read }, "opening", &uri)?;
        let make = || -> std::io::Result<File> {
            let mut file = File::from(rustix::fs::memfd_create("provider-file", rustix::fs::MemfdFlags::CLOEXEC)?);
            writeln!(file, "the contents of {uri}")?;
            file.seek(SeekFrom::Start(0))?;
            Ok(file)
        };
        let file = make().map_err(|error| Exception::IllegalState(error.to_string()))?;
        // This writes the 1 that says that there is a file, too.
        reply.own(&ParcelFileDescriptor::new(file))?;
        Ok(())
    }
}

impl Service for Provider {
    fn call(&self, method: &str, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
        match method {
            "query" => self.query(arguments, reply),
            "insert" => self.insert(arguments, reply),
            "update" => self.change(arguments, reply, true),
            "delete" => self.change(arguments, reply, false),
            "call" => self.get(arguments, reply),
            "openFile" => self.open_file(arguments, reply),
            "getType" => {
                if self.api.level() >= 34 {
                    read::caller(self.api, arguments)?;
                }
                let uri = read::uri(self.api, arguments)?;
                let known = self.path(&uri).is_ok().then_some(self.kind.mime);
                Ok(reply.string16(known)?)
            }
            // One-way: there is nothing to answer.
            "getTypeAsync" => Ok(()),
            other => Err(Exception::Unsupported(other.to_owned())),
        }
    }
}

struct Selection {
    selection: String,
    arguments: Vec<String>,
}

impl Selection {
    fn from_bundle(entries: &[(String, Value)]) -> Self {
        let entries: HashMap<&str, &Value> = entries.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let selection = match entries.get("android:query-arg-sql-selection") {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let arguments = match entries.get("android:query-arg-sql-selection-args") {
            Some(Value::Texts(texts)) => texts.clone(),
            _ => Vec::new(),
        };
        Self { selection, arguments }
    }
}

fn fits(row: &Row, conditions: &[(usize, String)]) -> bool {
    conditions.iter().all(|(place, value)| row.get(*place) == Some(value))
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Long(number) => number.to_string(),
        Value::Texts(texts) => texts.join(","),
    }
}
