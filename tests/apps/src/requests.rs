//! Every request that the clients send, argument by argument. `dump-parcels` writes the same requests without sending.

use crate::api::{self, Api};
use crate::parcel_writer::{Caller, Uri, Value, Writer};
use rsbinder::{Result, SIBinder};

/// A named list of entries, as a Bundle or a ContentValues takes it.
pub type Entries<'a> = &'a [(&'a str, Value)];

/// Objects of the calling app that go along with requests; none where no driver is.
#[derive(Clone)]
pub struct Companions {
    /// IApplicationThread: stands for the app at the activity manager.
    pub application_thread: Option<SIBinder>,
    /// IContentObserver: what a cursor reports to.
    pub observer: Option<SIBinder>,
    /// ILocationListener.
    pub listener: Option<SIBinder>,
}

/// IServiceManager.checkService and getService.
pub fn find_service(writer: &mut Writer, name: &str) -> Result<()> {
    writer.string16(Some(name))
}

/// IServiceManager.addService.
pub fn add_service(writer: &mut Writer, name: &str, service: Option<&SIBinder>) -> Result<()> {
    writer.string16(Some(name))?;
    writer.token(service)?;
    writer.i32(0)?;
    writer.i32(8)
}

/// IActivityManager.getContentProvider.
pub fn get_provider(writer: &mut Writer, caller: &Caller, companions: &Companions, authority: &str) -> Result<()> {
    writer.token(companions.application_thread.as_ref())?;
    if writer.level() >= 29 {
        writer.string16(Some(&caller.package))?;
    }
    writer.string16(Some(authority))?;
    writer.i32(0)?;
    writer.i32(1)
}

/// IActivityManager.publishContentProviders with one holder. The ProviderInfo in it is shortened to its name, package and
/// authority: the whole of it changes with every release, and nobody who traces can rely on it.
pub fn publish_provider(
    writer: &mut Writer,
    companions: &Companions,
    package: &str,
    authorities: &str,
    provider: Option<&SIBinder>,
) -> Result<()> {
    writer.token(companions.application_thread.as_ref())?;
    writer.i32(1)?;
    writer.i32(1)?;
    provider_holder(writer, package, authorities, provider, None)
}

/// ContentProviderHolder.writeToParcel, with that shortened ProviderInfo.
pub fn provider_holder(
    writer: &mut Writer,
    package: &str,
    authorities: &str,
    provider: Option<&SIBinder>,
    connection: Option<&SIBinder>,
) -> Result<()> {
    let name = format!("{package}.Provider");
    for text in [name.as_str(), package, authorities] {
        if writer.level() <= 29 {
            writer.string16(Some(text))?;
        } else {
            writer.string8(Some(text))?;
        }
    }
    writer.token(provider)?;
    writer.binder(connection)?;
    writer.i32(1)?;
    if writer.level() >= 31 { writer.i32(0) } else { Ok(()) }
}

/// What a query asks for.
#[derive(Clone, Default)]
pub struct Query {
    /// The columns; empty asks for all.
    pub projection: Vec<String>,
    /// The selection with question marks.
    pub selection: Option<String>,
    /// What stands for the question marks.
    pub arguments: Vec<String>,
    /// The order.
    pub order: Option<String>,
}

impl Query {
    /// The Bundle that ContentResolver makes of the five-argument query; none when nothing is limited.
    pub fn bundle(&self) -> Option<Vec<(&'static str, Value)>> {
        let mut entries = Vec::new();
        if let Some(selection) = &self.selection {
            entries.push(("android:query-arg-sql-selection", Value::Text(selection.clone())));
        }
        if !self.arguments.is_empty() {
            entries.push(("android:query-arg-sql-selection-args", Value::Texts(self.arguments.clone())));
        }
        if let Some(order) = &self.order {
            entries.push(("android:query-arg-sql-sort-order", Value::Text(order.clone())));
        }
        (!entries.is_empty()).then_some(entries)
    }
}

/// IContentProvider.query.
pub fn query(writer: &mut Writer, caller: &Caller, companions: &Companions, uri: &Uri, query: &Query) -> Result<()> {
    writer.caller(caller)?;
    writer.uri(uri)?;
    writer.strings16(Some(&query.projection))?;
    writer.bundle(query.bundle().as_deref())?;
    writer.token(companions.observer.as_ref())?;
    writer.null_binder()
}

/// IContentProvider.getType.
pub fn get_type(writer: &mut Writer, caller: &Caller, uri: &Uri) -> Result<()> {
    if writer.level() >= 34 {
        writer.caller(caller)?;
    }
    writer.uri(uri)
}

/// IContentProvider.getTypeAsync: getType and a RemoteCallback, which is a binder.
pub fn get_type_async(writer: &mut Writer, caller: &Caller, companions: &Companions, uri: &Uri) -> Result<()> {
    get_type(writer, caller, uri)?;
    writer.token(companions.observer.as_ref())
}

/// IContentProvider.insert.
pub fn insert(writer: &mut Writer, caller: &Caller, uri: &Uri, values: Entries<'_>) -> Result<()> {
    writer.caller(caller)?;
    writer.uri(uri)?;
    writer.content_values(values)?;
    if writer.level() >= 30 { writer.bundle(None) } else { Ok(()) }
}

fn selection(writer: &mut Writer, query: &Query) -> Result<()> {
    if writer.level() >= 30 {
        return writer.bundle(query.bundle().as_deref());
    }
    writer.string16(query.selection.as_deref())?;
    writer.strings16((!query.arguments.is_empty()).then_some(query.arguments.as_slice()))
}

/// IContentProvider.update.
pub fn update(writer: &mut Writer, caller: &Caller, uri: &Uri, values: Entries<'_>, query: &Query) -> Result<()> {
    writer.caller(caller)?;
    writer.uri(uri)?;
    writer.content_values(values)?;
    selection(writer, query)
}

/// IContentProvider.delete.
pub fn delete(writer: &mut Writer, caller: &Caller, uri: &Uri, query: &Query) -> Result<()> {
    writer.caller(caller)?;
    writer.uri(uri)?;
    selection(writer, query)
}

/// IContentProvider.openFile.
pub fn open_file(writer: &mut Writer, caller: &Caller, uri: &Uri, mode: &str) -> Result<()> {
    writer.caller(caller)?;
    writer.uri(uri)?;
    writer.string16(Some(mode))?;
    writer.null_binder()?;
    // Up to 30 the caller's token follows.
    if writer.level() <= 30 { writer.null_binder() } else { Ok(()) }
}

/// IContentProvider.call.
pub fn call(
    writer: &mut Writer,
    caller: &Caller,
    authority: &str,
    method: &str,
    argument: Option<&str>,
    extras: Option<Entries<'_>>,
) -> Result<()> {
    writer.caller(caller)?;
    if writer.level() >= 29 {
        writer.string16(Some(authority))?;
    }
    writer.string16(Some(method))?;
    writer.string16(argument)?;
    writer.bundle(extras)
}

/// The package, and from 30 on the feature it is called for: what most services of the phone end with.
pub fn package_and_tag(writer: &mut Writer, caller: &Caller) -> Result<()> {
    writer.string16(Some(&caller.package))?;
    if writer.level() >= 30 { writer.string16(None) } else { Ok(()) }
}

/// A number, then the package: IPhoneSubInfo.*ForSubscriber, ITelephony.getImeiForSlot.
pub fn number_and_package(writer: &mut Writer, caller: &Caller, number: i32) -> Result<()> {
    writer.i32(number)?;
    package_and_tag(writer, caller)
}

/// LocationRequest.writeToParcel. That of 30 is not known; it is written as at 29.
fn location_request(writer: &mut Writer) -> Result<()> {
    writer.i32(1)?;
    let provider = Some("gps");
    if writer.level() <= 30 {
        writer.i32(100)?;
        for time in [0, 1000, i64::MAX] {
            writer.i64(time)?;
        }
        writer.i32(1)?;
        writer.f32(0.0)?;
        writer.i32(0)?;
        writer.i32(0)?;
        if writer.level() >= 29 {
            writer.i32(0)?;
        }
        writer.string16(provider)?;
        // Parcelable: a null class name stands for null.
        return writer.string16(None);
    }
    writer.string16(provider)?;
    writer.i64(1000)?;
    writer.i32(100)?;
    writer.i64(i64::MAX)?;
    writer.i64(i64::MAX)?;
    writer.i32(i32::MAX)?;
    writer.i64(0)?;
    writer.f32(0.0)?;
    writer.i64(0)?;
    for _hide_adas_bypass_low_power in 0..4 {
        writer.i32(0)?;
    }
    // A WorkSource of nobody.
    writer.i32(1)?;
    writer.i32(0)?;
    writer.i32(0)?;
    writer.i32(0)?;
    writer.i32(-1)
}

/// ILocationManager.getLastLocation.
pub fn last_location(writer: &mut Writer, caller: &Caller) -> Result<()> {
    if writer.level() <= 30 {
        location_request(writer)?;
    } else {
        writer.string16(Some("gps"))?;
        for word in [1, 0, 0, 0] {
            writer.i32(word)?;
        }
    }
    package_and_tag(writer, caller)
}

/// ILocationManager.registerLocationListener, and requestLocationUpdates before it.
pub fn location_updates(writer: &mut Writer, caller: &Caller, companions: &Companions) -> Result<()> {
    let old = writer.level() <= 30;
    if !old {
        writer.string16(Some("gps"))?;
    }
    location_request(writer)?;
    writer.token(companions.listener.as_ref())?;
    if old {
        // No PendingIntent.
        writer.i32(0)?;
        return package_and_tag(writer, caller);
    }
    package_and_tag(writer, caller)?;
    writer.string16(Some("listener-1"))
}

/// The name of the method that [`location_updates`] writes for.
pub fn location_updates_method(api: Api) -> &'static str {
    if api.level() <= 30 { "requestLocationUpdates" } else { "registerLocationListener" }
}

fn package_flags(writer: &mut Writer) -> Result<()> {
    if writer.level() >= 33 { writer.i64(0) } else { writer.i32(0) }
}

/// IPackageManager.getInstalledPackages and getInstalledApplications.
pub fn installed(writer: &mut Writer) -> Result<()> {
    package_flags(writer)?;
    writer.i32(0)
}

/// IPackageManager.getPackageInfo.
pub fn package_info(writer: &mut Writer, package: &str) -> Result<()> {
    writer.string16(Some(package))?;
    package_flags(writer)?;
    writer.i32(0)
}

/// IClipboard.getPrimaryClip.
pub fn primary_clip(writer: &mut Writer, caller: &Caller) -> Result<()> {
    writer.string16(Some(&caller.package))?;
    let level = writer.level();
    if level >= 33 {
        writer.string16(None)?;
    }
    if level >= 29 {
        writer.i32(0)?;
    }
    if level >= 34 { writer.i32(0) } else { Ok(()) }
}

/// A request of `dump-parcels`: interface, method, what the test wants to find in it, and its arguments.
pub type Sample = (&'static str, &'static str, serde_json::Value, Box<dyn Fn(&mut Writer) -> Result<()>>);

/// One request of each kind, for every way a Uri can be written.
pub fn samples(api: Api) -> Vec<Sample> {
    use serde_json::json;
    let caller = Caller { package: "com.example.leaky".into(), uid: 10125, pid: 4321, token: None };
    let nobody = Companions { application_thread: None, observer: None, listener: None };
    let mut samples: Vec<Sample> = Vec::new();
    let provider = api::CONTENT_PROVIDER;
    let phones = Query {
        projection: vec!["display_name".into(), "data1".into()],
        selection: Some("mimetype=? AND starred=?".into()),
        arguments: vec!["vnd.android.cursor.item/phone_v2".into(), "1".into()],
        order: Some("display_name ASC".into()),
    };
    let uris = [
        Uri::parsed("com.android.contacts", "data/phones"),
        Uri::built("com.android.contacts", "data/phones"),
        Uri::parsed("10@com.android.contacts", "contacts/7"),
        Uri::Opaque("tel".into(), "+8613800138000".into()),
    ];
    macro_rules! sample {
        ($interface:expr, $method:expr, $facts:tt, |$writer:ident $(, $held:ident)*| $body:expr) => {{
            $(let $held = $held.clone();)*
            samples.push(($interface, $method, json!($facts), Box::new(move |$writer: &mut Writer| $body)));
        }};
    }
    for uri in uris {
        let facts = uri.to_string();
        let columns = phones.projection.clone();
        sample!(provider, "query", { "uri": facts, "projection": columns }, |w, caller, nobody, uri, phones| {
            query(w, &caller, &nobody, &uri, &phones)
        });
        sample!(provider, "query", { "uri": facts, "projection": [] }, |w, caller, nobody, uri| {
            query(w, &caller, &nobody, &uri, &Query::default())
        });
        sample!(provider, "getType", { "uri": facts }, |w, caller, uri| get_type(w, &caller, &uri));
        let values =
            [("data1", Value::Text("+8613800138000".into())), ("starred", Value::Integer(1)), ("x", Value::Null)];
        let keys = ["data1", "starred", "x"];
        sample!(provider, "insert", { "uri": facts, "keys": keys }, |w, caller, uri, values| {
            insert(w, &caller, &uri, &values)
        });
        sample!(provider, "update", { "uri": facts, "keys": keys }, |w, caller, uri, values, phones| {
            update(w, &caller, &uri, &values, &phones)
        });
        sample!(provider, "delete", { "uri": facts }, |w, caller, uri, phones| delete(w, &caller, &uri, &phones));
        sample!(provider, "openFile", { "uri": facts, "mode": "r" }, |w, caller, uri| open_file(w, &caller, &uri, "r"));
        if api.level() >= 30 {
            sample!(provider, "getTypeAsync", { "uri": facts }, |w, caller, nobody, uri| {
                get_type_async(w, &caller, &nobody, &uri)
            });
        }
    }
    let track = [("_track_generation", Value::Null)];
    sample!(provider, "call", { "authority": "settings", "call_method": "GET_secure", "argument": "android_id" },
        |w, caller, track| call(w, &caller, "settings", "GET_secure", Some("android_id"), Some(&track)));
    sample!(api::SERVICE_MANAGER, "getService", { "service": "phone" }, |w| find_service(w, "phone"));
    sample!(api::SERVICE_MANAGER, "addService", { "service": "phone" }, |w| add_service(w, "phone", None));
    sample!(api::ACTIVITY_MANAGER, "getContentProvider", { "authority": "call_log" }, |w, caller, nobody| {
        get_provider(w, &caller, &nobody, "call_log")
    });
    for name in
        ["getDeviceIdForPhone", "getImeiForSubscriber", "getSubscriberIdForSubscriber", "getLine1NumberForSubscriber"]
    {
        sample!(api::PHONE_SUB_INFO, name, {}, |w, caller| number_and_package(w, &caller, 1));
    }
    sample!(api::PHONE_SUB_INFO, "getLine1Number", {}, |w, caller| package_and_tag(w, &caller));
    sample!(api::TELEPHONY, "getImeiForSlot", {}, |w, caller| number_and_package(w, &caller, 0));
    sample!(api::TELEPHONY, "getAllCellInfo", {}, |w, caller| package_and_tag(w, &caller));
    sample!(api::LOCATION_MANAGER, "getLastLocation", {}, |w, caller| last_location(w, &caller));
    sample!(api::LOCATION_MANAGER, location_updates_method(api), {}, |w, caller, nobody| {
        location_updates(w, &caller, &nobody)
    });
    sample!(api::PACKAGE_MANAGER, "getInstalledPackages", {}, |w| installed(w));
    sample!(api::PACKAGE_MANAGER, "getInstalledApplications", {}, |w| installed(w));
    sample!(api::PACKAGE_MANAGER, "getPackageInfo", {}, |w| package_info(w, "com.tencent.mm"));
    sample!(api::CLIPBOARD, "getPrimaryClip", {}, |w, caller| primary_clip(w, &caller));
    sample!(api::WIFI_MANAGER, "getScanResults", {}, |w, caller| package_and_tag(w, &caller));
    sample!(api::WIFI_MANAGER, "getConnectionInfo", {}, |w, caller| package_and_tag(w, &caller));
    samples
}
