//! The system's services: activity manager, phone, location, packages, clipboard, Wi-Fi, the settings provider, and the
//! test service that the scenarios about threads use.
//!
//! Replies begin as Android's do (exception word, whether there is a result) and go on with few fields: nobody who traces
//! requests can rely on what follows.

use crate::api::{self, Api};
use crate::client::Client;
use crate::content_provider::{KINDS, Provider};
use crate::identity;
use crate::parcel_reader as read;
use crate::parcel_writer::Writer;
use crate::permissions::Guard;
use crate::requests;
use crate::service::{self, Answer, Exception, Service, Silent};
use anyhow::{Context, Result};
use rsbinder::{Parcel, SIBinder};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The services that [`run`] registers, by the names Android gives them.
pub const SERVICES: &[(&str, &str)] = &[
    ("activity", api::ACTIVITY_MANAGER),
    ("iphonesubinfo", api::PHONE_SUB_INFO),
    ("phone", api::TELEPHONY),
    ("location", api::LOCATION_MANAGER),
    ("package", api::PACKAGE_MANAGER),
    ("clipboard", api::CLIPBOARD),
    ("wifi", api::WIFI_MANAGER),
    ("candor.test", api::TEST_SERVICE),
];

/// Hands out providers.
struct Activities {
    api: Api,
    /// By authority: the package and the binder.
    providers: Mutex<HashMap<String, (String, SIBinder)>>,
}

impl Service for Activities {
    fn call(&self, method: &str, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
        let providers = || self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        read::skip_binder(arguments)?;
        match method {
            "getContentProvider" => {
                if self.api.level() >= 29 {
                    read::string16(arguments)?;
                }
                let authority = read::string16(arguments)?.unwrap_or_default();
                let found = providers().get(&authority).cloned();
                let Some((package, provider)) = found else { return Ok(reply.i32(0)?) };
                let connection = service::binder("", self.api, Box::new(Silent))
                    .map_err(|error| Exception::IllegalState(error.to_string()))?;
                reply.i32(1)?;
                Ok(requests::provider_holder(reply, &package, &authority, Some(&provider), Some(&connection))?)
            }
            "publishContentProviders" => {
                for _ in 0..arguments.read_i32()? {
                    if arguments.read_i32()? == 0 {
                        continue;
                    }
                    let old = self.api.level() <= 29;
                    let text = |from: &mut Parcel| if old { read::string16(from) } else { read::string8(from) };
                    let (_name, package, authorities) = (text(arguments)?, text(arguments)?, text(arguments)?);
                    let provider: SIBinder = arguments.read()?;
                    read::skip_binder(arguments)?;
                    arguments.read_i32()?;
                    if self.api.level() >= 31 {
                        arguments.read_i32()?;
                    }
                    for authority in authorities.unwrap_or_default().split(';') {
                        let entry = (package.clone().unwrap_or_default(), provider.clone());
                        providers().insert(authority.to_owned(), entry);
                    }
                }
                Ok(())
            }
            other => Err(Exception::Unsupported(other.to_owned())),
        }
    }
}

/// All services that need no state of their own.
struct Phone {
    interface: &'static str,
    api: Api,
    guard: Guard,
}

impl Phone {
    /// A result of one String16, when the caller has the permission.
    fn text(&self, method: &str, permission: &str, value: &str, reply: &mut Writer) -> Answer {
        self.guard.require(permission, method)?;
        Ok(reply.string16(Some(value))?)
    }

    fn location(&self, method: &str, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
        self.guard.require("ACCESS_FINE_LOCATION", method)?;
        if method == "getLastLocation" {
            return Ok(position(reply)?);
        }
        // The listener stands behind the request, whose length is its level's own: the last binder of the parcel is it.
        let listener = last_binder(arguments)?;
        let api = self.api;
        std::thread::spawn(move || {
            for _ in 0..3 {
                std::thread::sleep(Duration::from_millis(50));
                // The app may have gone away.
                let _ = report_position(api, &listener);
            }
        });
        Ok(())
    }

    fn packages(&self, method: &str, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
        let class = if method == "getInstalledApplications" { "ApplicationInfo" } else { "PackageInfo" };
        let head = |reply: &mut Writer, name: &str| {
            if self.api.level() >= 31 { reply.string8(Some(name)) } else { reply.string16(Some(name)) }
        };
        if method == "getPackageInfo" {
            let wanted = read::string16(arguments)?.unwrap_or_default();
            if !self.guard.packages().iter().any(|(name, _)| *name == wanted) {
                return Ok(reply.i32(0)?);
            }
            reply.i32(1)?;
            return Ok(head(reply, &wanted)?);
        }
        // Without the permission an app sees only itself; there is no exception.
        let all = self.guard.require("QUERY_ALL_PACKAGES", method).is_ok();
        let uid = rsbinder::thread_state::get_calling_uid();
        let seen: Vec<_> = self.guard.packages().iter().filter(|(_, owner)| all || *owner == uid).collect();
        reply.i32(1)?;
        reply.i32(i32::try_from(seen.len()).unwrap_or(0))?;
        if !seen.is_empty() {
            reply.string16(Some(&format!("android.content.pm.{class}")))?;
        }
        for (name, _) in seen {
            reply.i32(1)?;
            head(reply, name)?;
        }
        Ok(())
    }
}

impl Service for Phone {
    fn call(&self, method: &str, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
        match (self.interface, method) {
            (api::PHONE_SUB_INFO, "getLine1Number" | "getLine1NumberForSubscriber") => {
                self.text(method, "READ_PHONE_NUMBERS", "+8613712345678", reply)
            }
            (api::PHONE_SUB_INFO, "getSubscriberIdForSubscriber") => {
                self.text(method, "READ_PRIVILEGED_PHONE_STATE", "460001234567890", reply)
            }
            (api::PHONE_SUB_INFO, _) | (api::TELEPHONY, "getImeiForSlot") => {
                self.text(method, "READ_PRIVILEGED_PHONE_STATE", "490154203237518", reply)
            }
            (api::TELEPHONY, _) => {
                self.guard.require("ACCESS_FINE_LOCATION", method)?;
                Ok(reply.i32(0)?)
            }
            (api::LOCATION_MANAGER, _) => self.location(method, arguments, reply),
            (api::PACKAGE_MANAGER, _) => self.packages(method, arguments, reply),
            (api::CLIPBOARD, _) => {
                // A ClipData, of which there is the text.
                reply.i32(1)?;
                Ok(reply.string16(Some("what was copied last"))?)
            }
            (api::WIFI_MANAGER, _) => {
                self.guard.require("ACCESS_WIFI_STATE", method)?;
                reply.i32(1)?;
                reply.string16(Some("Candor test network"))?;
                Ok(reply.string16(Some("02:00:00:4b:1d:07"))?)
            }
            (api::TEST_SERVICE, _) => test(self.api, method, arguments, reply),
            (_, other) => Err(Exception::Unsupported(other.to_owned())),
        }
    }
}

/// A Location, shortened to its provider, a mask of fields, two times and the position.
fn position(reply: &mut Writer) -> rsbinder::Result<()> {
    reply.i32(1)?;
    if reply.level() >= 30 {
        reply.string8(Some("gps"))?
    } else {
        reply.string16(Some("gps"))?
    }
    reply.i32(0)?;
    reply.i64(1_760_000_000_000)?;
    reply.i64(1_000_000_000)?;
    reply.own(&55.9533f64)?;
    reply.own(&-3.1883f64)
}

fn report_position(api: Api, listener: &SIBinder) -> Result<()> {
    let mut writer = Writer::live(api, listener).map_err(|status| anyhow::anyhow!("{status}"))?;
    let fill = |writer: &mut Writer| {
        if api.level() >= 31 {
            // A list of one, and no callback.
            writer.i32(1)?;
        }
        position(writer)?;
        if api.level() >= 31 { writer.null_binder() } else { Ok(()) }
    };
    fill(&mut writer).map_err(|status| anyhow::anyhow!("{status}"))?;
    let code = api::code_of(api, api::LOCATION_LISTENER, "onLocationChanged")?;
    let proxy = listener.as_proxy().context("the listener is in this process")?;
    proxy
        .submit_transact(code, &writer.finish().0, rsbinder::FLAG_ONEWAY)
        .map_err(|status| anyhow::anyhow!("{status}"))?;
    Ok(())
}

/// The last binder in a parcel: at each word, whether one can be read there.
fn last_binder(arguments: &mut Parcel) -> rsbinder::Result<SIBinder> {
    let start = arguments.data_position();
    let size = arguments.data_size();
    let mut at = size.saturating_sub(28);
    while at >= start {
        arguments.set_data_position(at);
        if let Ok(Some(binder)) = arguments.read::<Option<SIBinder>>() {
            return Ok(binder);
        }
        at -= 4;
    }
    Err(rsbinder::StatusCode::UnexpectedNull)
}

fn test(api: Api, method: &str, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
    match method {
        "slow" => {
            let wait = u64::try_from(arguments.read_i32()?).unwrap_or(0).min(600_000);
            std::thread::sleep(Duration::from_millis(wait));
        }
        "callBack" => {
            let callback: SIBinder = arguments.read()?;
            let writer = Writer::live(api, &callback)?;
            let code = api::code_of(api, api::TEST_SERVICE, "work").unwrap_or(4);
            let proxy = callback.as_proxy().ok_or(rsbinder::StatusCode::BadType)?;
            proxy.submit_transact(code, &writer.finish().0, 0)?;
        }
        _ => (),
    }
    Ok(reply.i32(0)?)
}

/// Registers all services and serves.
///
/// # Errors
/// When there is no service manager or no list of packages.
pub fn run(api: Api) -> Result<()> {
    let packages = identity::packages()?;
    let client = Client::open(api, "android", 15)?.quiet();
    for &(name, interface) in SERVICES {
        let guard = Guard::new(packages.clone());
        let service: Box<dyn Service> = if interface == api::ACTIVITY_MANAGER {
            Box::new(Activities { api, providers: Mutex::new(own_providers(api, guard)?) })
        } else {
            Box::new(Phone { interface, api, guard })
        };
        client.add_service(name, &service::binder(interface, api, service)?)?;
    }
    service::serve()
}

/// The settings provider lives in this process, as on a device.
fn own_providers(api: Api, guard: Guard) -> Result<HashMap<String, (String, SIBinder)>> {
    let kind = KINDS.iter().find(|kind| kind.name == "settings").context("no settings provider")?;
    let provider = service::binder(api::CONTENT_PROVIDER, api, Box::new(Provider::new(api, kind, guard)))?;
    Ok(HashMap::from([(kind.authorities.to_owned(), (kind.package.to_owned(), provider))]))
}
