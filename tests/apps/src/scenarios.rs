//! What the client apps do. Each act prints its truth by itself.

use crate::api::{self, Api};
use crate::client::{Client, Method, Outcome, Way};
use crate::parcel_writer::{Uri, Value, Writer};
use crate::requests::{self, Query};
use crate::service::{self, Answer, Exception, Service};
use crate::truth;
use anyhow::{Context, Result, anyhow};
use rsbinder::{Parcel, ProcessState, SIBinder};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CONTACTS: &str = "com.android.contacts";

fn phones() -> (Uri, Query) {
    let query = Query {
        projection: vec!["display_name".into(), "data1".into()],
        selection: Some("mimetype=?".into()),
        arguments: vec!["vnd.android.cursor.item/phone_v2".into()],
        order: Some("display_name ASC".into()),
    };
    (Uri::built(CONTACTS, "data/phones"), query)
}

fn both(interface: &'static str, method: &'static str) -> Method {
    (interface, method, Way::Both)
}

/// `leaky`: takes everything; and connects to `peer`, if there is one.
pub fn leaky(client: &Client, peer: Option<&str>) -> Result<()> {
    let contacts = client.provider(CONTACTS)?;
    let (uri, query) = phones();
    client.query(&contacts, CONTACTS, &uri, &query)?;

    let settings = client.provider("settings")?;
    let track = [("_track_generation", Value::Null)];
    client.provider_call(&settings, "settings", "GET_secure", Some("android_id"), Some(&track))?;

    let location = client.service("location")?;
    let last = both(api::LOCATION_MANAGER, "getLastLocation");
    client.call(&location, last, json!({}), |w| requests::last_location(w, &client.caller))?;

    let phone = client.service("iphonesubinfo")?;
    let line = both(api::PHONE_SUB_INFO, "getLine1Number");
    client.call(&phone, line, json!({}), |w| requests::package_and_tag(w, &client.caller))?;
    let device = both(api::PHONE_SUB_INFO, "getImeiForSubscriber");
    client.call(&phone, device, json!({}), |w| requests::number_and_package(w, &client.caller, 1))?;

    let telephony = client.service("phone")?;
    let imei = both(api::TELEPHONY, "getImeiForSlot");
    client.call(&telephony, imei, json!({}), |w| requests::number_and_package(w, &client.caller, 0))?;

    let package = client.service("package")?;
    let installed = both(api::PACKAGE_MANAGER, "getInstalledPackages");
    client.call(&package, installed, json!({}), requests::installed)?;

    let clipboard = client.service("clipboard")?;
    let clip = both(api::CLIPBOARD, "getPrimaryClip");
    client.call(&clipboard, clip, json!({}), |w| requests::primary_clip(w, &client.caller))?;

    let wifi = client.service("wifi")?;
    for method in ["getConnectionInfo", "getScanResults"] {
        let call = both(api::WIFI_MANAGER, method);
        client.call(&wifi, call, json!({}), |w| requests::package_and_tag(w, &client.caller))?;
    }

    let calls = client.provider("call_log")?;
    client.query(&calls, "call_log", &Uri::parsed("call_log", "calls"), &Query::default())?;

    let sms = client.provider("sms")?;
    let bodies = Query { projection: vec!["address".into(), "body".into()], ..Query::default() };
    client.query(&sms, "sms", &Uri::parsed("sms", "inbox"), &bodies)?;

    file_act(client, "/storage/emulated/0/DCIM/Camera");
    if let Some(peer) = peer {
        let address = peer.parse().with_context(|| format!("--connect {peer}: not ADDRESS:PORT"))?;
        let connected = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300));
        let outcome = if connected.is_ok() { "ok" } else { "failed" };
        truth::tell(&client.caller.package, json!({ "connect": peer, "outcome": outcome }));
    }
    Ok(())
}

/// Reads a directory and a file of the app's own; says what came of it.
fn file_act(client: &Client, directory: &str) {
    let entries = std::fs::read_dir(directory).map(Iterator::count);
    let outcome = match &entries {
        Ok(_) => "ok",
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => "denied",
        Err(_) => "failed",
    };
    truth::tell(&client.caller.package, json!({ "directory": directory, "outcome": outcome, "entries": entries.ok() }));
    let note = format!("/data/user/0/{}/files/note.txt", client.caller.package);
    let outcome = if std::fs::write(&note, "note\n").is_ok() { "ok" } else { "failed" };
    truth::tell(&client.caller.package, json!({ "file": note, "outcome": outcome }));
}

/// `honest`: queries the contacts, which it declares, and nothing else.
pub fn honest(client: &Client) -> Result<()> {
    let contacts = client.provider(CONTACTS)?;
    let names = Query { projection: vec!["display_name".into()], ..Query::default() };
    client.query(&contacts, CONTACTS, &Uri::parsed(CONTACTS, "contacts"), &names)?;
    Ok(())
}

/// `all-calls`: every call of IContentProvider that there is a server for.
pub fn all_calls(client: &Client) -> Result<()> {
    let contacts = client.provider(CONTACTS)?;
    let people = Uri::parsed(CONTACTS, "contacts");
    let first = Uri::parsed(CONTACTS, "contacts/1");
    let (phones, query) = phones();
    let name = [("display_name", Value::Text("New Person".into())), ("starred", Value::Integer(1))];
    client.get_type(&contacts, &people)?;
    client.insert(&contacts, &people, &name)?;
    client.update(&contacts, &first, &[("starred", Value::Long(0))], &Query::default())?;
    client.query(&contacts, CONTACTS, &phones, &query)?;
    client.delete(
        &contacts,
        &phones,
        &Query { selection: Some("display_name=?".into()), arguments: vec!["New Person".into()], ..Query::default() },
    )?;
    client.provider_call(&contacts, CONTACTS, "something", None, None)?;
    if client.api.level() >= 30 {
        let method = (api::CONTENT_PROVIDER, "getTypeAsync", Way::One);
        client.call(&contacts, method, json!({ "uri": people.to_string() }), |w| {
            requests::get_type_async(w, &client.caller, &client.companions, &people)
        })?;
    }
    // What the provider does not know: an exception that is no denial.
    let nonsense = Query { projection: vec!["no_such_column".into()], ..Query::default() };
    client.query(&contacts, CONTACTS, &people, &nonsense)?;

    let media = client.provider("media")?;
    let image = Uri::parsed("media", "external/images/media/1");
    client.open_file(&media, &image, "r")?;
    client.open_file(&media, &image, "w")?;
    let package = client.service("package")?;
    let call = both(api::PACKAGE_MANAGER, "getInstalledApplications");
    client.call(&package, call, json!({}), requests::installed)?;
    let call = both(api::PACKAGE_MANAGER, "getPackageInfo");
    client.call(&package, call, json!({ "package": "com.example.honest" }), |w| {
        requests::package_info(w, "com.example.honest")
    })?;
    Ok(())
}

struct Listener(AtomicU64);

impl Service for std::sync::Arc<Listener> {
    fn call(&self, _: &str, _: &mut Parcel, _: &mut Writer) -> Answer {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// `location-updates`: registers a listener and waits for three positions, which come one-way.
pub fn location_updates(mut client: Client) -> Result<()> {
    let heard = std::sync::Arc::new(Listener(AtomicU64::new(0)));
    let listener = service::binder(api::LOCATION_LISTENER, client.api, Box::new(std::sync::Arc::clone(&heard)))?;
    client.companions.listener = Some(listener);
    let location = client.service("location")?;
    let method = both(api::LOCATION_MANAGER, requests::location_updates_method(client.api));
    let outcome = client
        .call(&location, method, json!({}), |w| requests::location_updates(w, &client.caller, &client.companions))?;
    let start = Instant::now();
    while matches!(outcome, Outcome::Granted(_)) && heard.0.load(Ordering::Relaxed) < 3 {
        if start.elapsed() > Duration::from_secs(30) {
            return Err(anyhow!("only {} positions came within 30 s", heard.0.load(Ordering::Relaxed)));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    truth::tell(&client.caller.package, json!({ "positions": heard.0.load(Ordering::Relaxed) }));
    Ok(())
}

/// `two-authorities`: gets one provider under its two names and queries it by both.
pub fn two_authorities(client: &Client) -> Result<()> {
    let mut handles = Vec::new();
    for authority in [CONTACTS, "contacts"] {
        let provider = client.provider(authority)?;
        handles.push(provider.as_proxy().map(rsbinder::ProxyHandle::handle));
        let names = Query { projection: vec!["display_name".into()], ..Query::default() };
        client.query(&provider, authority, &Uri::parsed(authority, "people"), &names)?;
    }
    truth::tell(&client.caller.package, json!({ "handles": handles, "same": handles.first() == handles.last() }));
    Ok(())
}

/// `slow`: waits for a reply for so long that a trace can begin meanwhile.
pub fn slow(client: &Client, milliseconds: i32) -> Result<()> {
    let test = client.service("candor.test")?;
    truth::tell(&client.caller.package, json!({ "waiting_ms": milliseconds }));
    let about = json!({ "milliseconds": milliseconds });
    client.call(&test, both(api::TEST_SERVICE, "slow"), about, |w| w.i32(milliseconds))?;
    // And then what a trace wants to see.
    honest(client)
}

/// Queries the contacts from inside a call.
struct Worker(Client);

impl Service for Worker {
    fn call(&self, _: &str, _: &mut Parcel, reply: &mut Writer) -> Answer {
        honest(&self.0).map_err(|error| Exception::IllegalState(format!("{error:#}")))?;
        Ok(reply.i32(0)?)
    }
}

/// `nested`: calls a service that calls back; serving that call, on the thread that waits, it queries the contacts.
pub fn nested(client: &Client) -> Result<()> {
    let test = client.service("candor.test")?;
    let worker = service::binder(api::TEST_SERVICE, client.api, Box::new(Worker(client.clone())))?;
    client.call(&test, both(api::TEST_SERVICE, "callBack"), json!({}), |w| w.token(Some(&worker)))?;
    Ok(())
}

const WORKER: &str = "candor.worker";

/// `waiting`: an app whose one thread is in the driver, waiting to be told to work; then it queries the contacts.
pub fn waiting(client: &Client) -> Result<()> {
    let worker = service::binder(api::TEST_SERVICE, client.api, Box::new(Worker(client.clone())))?;
    client.add_service(WORKER, &worker)?;
    truth::tell(&client.caller.package, json!({ "waiting_as": WORKER }));
    ProcessState::join_thread_pool().map_err(|status| anyhow!("serving: {status}"))
}

/// `poke`: tells it to.
pub fn poke(client: &Client) -> Result<()> {
    let worker = client.service(WORKER)?;
    client.call(&worker, both(api::TEST_SERVICE, "work"), json!({}), |_| Ok(()))?;
    Ok(())
}

/// What a burst calls.
#[derive(Clone, Copy)]
pub enum Aim {
    /// IContentProvider.getType or getTypeAsync of the contacts.
    Provider,
    /// ILocationManager.getLastLocation.
    Location,
    /// A service that no trace wants.
    Test,
}

/// `burst`: `count` calls from `threads` threads, then one line that tells how many were made.
pub fn burst(client: &Client, aim: Aim, count: u64, threads: u64, way: Way) -> Result<()> {
    let (target, interface, method) = match (aim, way) {
        (Aim::Provider, Way::Both) => (client.provider(CONTACTS)?, api::CONTENT_PROVIDER, "getType"),
        (Aim::Provider, Way::One) => (client.provider(CONTACTS)?, api::CONTENT_PROVIDER, "getTypeAsync"),
        (Aim::Location, _) => (client.service("location")?, api::LOCATION_MANAGER, "getLastLocation"),
        (Aim::Test, _) => (client.service("candor.test")?, api::TEST_SERVICE, "ping"),
    };
    let package = client.caller.package.clone();
    let client = client.clone().quiet();
    let (made, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    let one = || burst_thread(&client, &target, (interface, method, way), &made, &refused, count);
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    let elapsed = start.elapsed();
    let (made, refused) = (made.into_inner(), refused.into_inner());
    let each = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX) / made.max(1);
    truth::tell(
        &package,
        json!({ "burst": method, "interface": interface, "threads": threads, "oneway": way == Way::One,
        "made": made, "refused": refused, "milliseconds": elapsed.as_millis() as u64, "ns_each": each }),
    );
    Ok(())
}

/// Takes numbers until `count` are taken. The buffer of a server fills up when calls are one-way; what the driver refuses
/// is tried again and counted, because it is a transaction that the driver has seen.
fn burst_thread(
    client: &Client,
    target: &SIBinder,
    method: Method,
    made: &AtomicU64,
    refused: &AtomicU64,
    count: u64,
) -> Result<()> {
    let uri = Uri::parsed(CONTACTS, "data/phones");
    while made.fetch_add(1, Ordering::Relaxed) < count {
        loop {
            let outcome = client.call(target, method, json!({}), |w| match method.1 {
                "getType" => requests::get_type(w, &client.caller, &uri),
                // Without the callback: a binder in each would make many more transactions than were asked for.
                "getTypeAsync" => {
                    requests::get_type(w, &client.caller, &uri)?;
                    w.null_binder()
                }
                "getLastLocation" => requests::last_location(w, &client.caller),
                _ => Ok(()),
            })?;
            match outcome {
                Outcome::Granted(_) => break,
                Outcome::Thrown(_, message) => return Err(anyhow!("{}: {message}", method.1)),
                Outcome::Failed(status) if method.2 == Way::Both => return Err(anyhow!("{}: {status}", method.1)),
                Outcome::Failed(_) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }
    // The number beyond the last was taken in vain.
    made.fetch_sub(1, Ordering::Relaxed);
    Ok(())
}

/// `dump-parcels`: the requests of all clients as JSON lines, for one level.
pub fn dump_parcels(level: Api) -> Result<()> {
    use std::io::Write as _;
    for (interface, method, facts, fill) in requests::samples(level) {
        let code = api::code_of(level, interface, method)?;
        let write = || -> rsbinder::Result<(Vec<u8>, Vec<u64>)> {
            let mut writer = Writer::imagined(level, interface)?;
            fill(&mut writer)?;
            let (mut parcel, offsets) = writer.finish();
            Ok((crate::parcel_reader::bytes_of(&mut parcel)?, offsets))
        };
        let (bytes, offsets) = write().map_err(|status| anyhow!("{interface}.{method}: {status}"))?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = json!({ "api": level.level(), "code": code, "interface": interface, "method": method,
            "payload": hex, "data_size": bytes.len(), "offsets": offsets, "package": "com.example.leaky" });
        let line = crate::client::joined(line, facts);
        writeln!(std::io::stdout().lock(), "{line}").context("writing")?;
    }
    Ok(())
}
