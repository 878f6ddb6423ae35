//! The client's side: finding services and providers, calling them, and telling the truth about each call.

use crate::api::{self, Api};
use crate::parcel_reader as read;
use crate::parcel_writer::{Caller, Uri, Writer};
use crate::requests::{self, Companions, Entries, Query};
use crate::service::{self, Silent};
use crate::truth;
use anyhow::{Context, Result, anyhow};
use rsbinder::{Parcel, ProcessState, SIBinder};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Servers start side by side: this long one waits for another.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a call ended.
pub enum Outcome {
    /// The rest of the reply, after the word that says that no exception was thrown; none after a one-way call.
    Granted(Option<Parcel>),
    /// An exception: its number and message.
    Thrown(i32, String),
    /// The driver or rsbinder said no.
    Failed(String),
}

impl Outcome {
    fn facts(&self) -> Value {
        match self {
            Self::Granted(_) => json!({ "outcome": "ok" }),
            Self::Thrown(-1, message) => json!({ "outcome": "denied", "exception": -1, "message": message }),
            Self::Thrown(number, message) => json!({ "outcome": "failed", "exception": number, "message": message }),
            Self::Failed(status) => json!({ "outcome": "failed", "status": status }),
        }
    }
}

/// Whether calls are one-way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The caller waits for the reply.
    Both,
    /// It does not, and gets none.
    One,
}

/// Interface, name, and whether it is one-way.
pub type Method = (&'static str, &'static str, Way);

/// An app that calls.
#[derive(Clone)]
pub struct Client {
    /// The level it speaks.
    pub api: Api,
    /// How it calls itself in parcels.
    pub caller: Caller,
    /// Its own binders.
    pub companions: Companions,
    /// Handle 0.
    manager: SIBinder,
    /// Whether each call is told on standard output.
    tells: bool,
}

/// Puts the facts of the second object behind those of the first.
pub fn joined(mut facts: Value, more: Value) -> Value {
    if let (Value::Object(facts), Value::Object(more)) = (&mut facts, more) {
        facts.extend(more);
    }
    facts
}

impl Client {
    /// Opens the driver as `package`. `threads` serve calls to this process beside the thread that calls.
    ///
    /// # Errors
    /// When there is no driver or no service manager.
    pub fn open(api: Api, package: &str, threads: u32) -> Result<Self> {
        let driver = service::open_driver(threads)?;
        if threads > 0 {
            ProcessState::start_thread_pool();
        }
        let silent = |interface| service::binder(interface, api, Box::new(Silent)).map(Some);
        let caller = Caller {
            package: package.to_owned(),
            uid: crate::identity::uid(),
            pid: std::process::id(),
            token: silent("")?,
        };
        let companions = Companions {
            application_thread: silent("android.app.IApplicationThread")?,
            observer: silent("android.database.IContentObserver")?,
            listener: silent(api::LOCATION_LISTENER)?,
        };
        let start = Instant::now();
        let manager = loop {
            match driver.context_object() {
                Ok(manager) => break manager,
                Err(status) if start.elapsed() > PATIENCE => {
                    return Err(anyhow!("no service manager answers: {status}"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        Ok(Self { api, caller, companions, manager, tells: true })
    }

    /// The same, but silent about what it does.
    pub fn quiet(mut self) -> Self {
        self.tells = false;
        self
    }

    /// Calls `method` of `target` and tells of it. `about` holds what the test wants to know of the arguments.
    ///
    /// # Errors
    /// When the level has no such method or its arguments cannot be written; not when the call fails.
    pub fn call(
        &self,
        target: &SIBinder,
        method: Method,
        about: Value,
        fill: impl FnOnce(&mut Writer) -> rsbinder::Result<()>,
    ) -> Result<Outcome> {
        self.call_and_read(target, method, about, fill, |_| Ok(Value::Null))
    }

    /// The same; `read` makes further facts of a reply without an exception.
    fn call_and_read(
        &self,
        target: &SIBinder,
        (interface, method, way): Method,
        about: Value,
        fill: impl FnOnce(&mut Writer) -> rsbinder::Result<()>,
        read: impl FnOnce(&mut Parcel) -> Result<Value>,
    ) -> Result<Outcome> {
        let code = api::code_of(self.api, interface, method)?;
        let mut writer = Writer::live(self.api, target).map_err(|status| anyhow!("{interface}: {status}"))?;
        fill(&mut writer).map_err(|status| anyhow!("writing {interface}.{method}: {status}"))?;
        let (parcel, _) = writer.finish();
        let flags = if way == Way::One { rsbinder::FLAG_ONEWAY } else { 0 };
        let proxy = target.as_proxy().ok_or_else(|| anyhow!("{interface} is in this very process"))?;
        let mut outcome = match proxy.submit_transact(code, &parcel, flags) {
            Err(status) => Outcome::Failed(format!("{status:?}")),
            Ok(None) => Outcome::Granted(None),
            Ok(Some(reply)) => self.read_head(interface, reply),
        };
        if self.tells {
            let call = json!({ "interface": interface, "method": method, "code": code, "api": self.api.level(),
                "oneway": way == Way::One, "bytes": parcel.data_size(), "handle": proxy.handle() });
            let facts = joined(joined(call, about), outcome.facts());
            let read = match &mut outcome {
                Outcome::Granted(Some(reply)) => read(reply)?,
                _ => Value::Null,
            };
            truth::tell(&self.caller.package, joined(facts, read));
        }
        Ok(outcome)
    }

    fn read_head(&self, interface: &str, mut reply: Parcel) -> Outcome {
        if interface == api::SERVICE_MANAGER && self.api.level() <= 29 {
            return Outcome::Granted(Some(reply));
        }
        match reply.read_i32() {
            Ok(0) => Outcome::Granted(Some(reply)),
            Ok(number) => {
                let message = read::string16(&mut reply).ok().flatten();
                Outcome::Thrown(number, message.unwrap_or_default())
            }
            Err(status) => Outcome::Failed(format!("the reply has no exception word: {status:?}")),
        }
    }

    /// The service of that name; none when it is not there.
    ///
    /// # Errors
    /// When the service manager does not answer.
    pub fn find_service(&self, name: &str) -> Result<Option<SIBinder>> {
        let method = (api::SERVICE_MANAGER, "checkService", Way::Both);
        let outcome =
            self.call(&self.manager, method, json!({ "service": name }), |w| requests::find_service(w, name))?;
        match outcome {
            Outcome::Granted(Some(mut reply)) => reply.read().with_context(|| format!("the binder of {name}")),
            Outcome::Granted(None) => Ok(None),
            Outcome::Thrown(_, message) | Outcome::Failed(message) => Err(anyhow!("looking for {name}: {message}")),
        }
    }

    /// The service of that name.
    ///
    /// # Errors
    /// Also when it is not there.
    pub fn service(&self, name: &str) -> Result<SIBinder> {
        self.find_service(name)?.ok_or_else(|| anyhow!("no service {name}: was start-world.sh run?"))
    }

    /// Registers a service of this process.
    ///
    /// # Errors
    /// When the service manager refuses.
    pub fn add_service(&self, name: &str, service: &SIBinder) -> Result<()> {
        let method = (api::SERVICE_MANAGER, "addService", Way::Both);
        let about = json!({ "service": name });
        match self.call(&self.manager, method, about, |w| requests::add_service(w, name, Some(service)))? {
            Outcome::Granted(_) => Ok(()),
            Outcome::Thrown(_, message) | Outcome::Failed(message) => Err(anyhow!("registering {name}: {message}")),
        }
    }

    /// Makes a provider of this process known under its authorities.
    ///
    /// # Errors
    /// When the activity manager refuses.
    pub fn publish(&self, authorities: &str, provider: &SIBinder) -> Result<()> {
        self.wait_for(&["activity".to_owned()], &[], PATIENCE)?;
        let activity = self.service("activity")?;
        let method = (api::ACTIVITY_MANAGER, "publishContentProviders", Way::Both);
        let outcome = self.call(&activity, method, json!({ "authority": authorities }), |w| {
            requests::publish_provider(w, &self.companions, &self.caller.package, authorities, Some(provider))
        })?;
        match outcome {
            Outcome::Granted(_) => Ok(()),
            Outcome::Thrown(_, message) | Outcome::Failed(message) => {
                Err(anyhow!("publishing {authorities}: {message}"))
            }
        }
    }

    /// The provider of that authority; none when nobody has published it.
    ///
    /// # Errors
    /// When the activity manager does not answer as it should.
    pub fn find_provider(&self, authority: &str) -> Result<Option<SIBinder>> {
        let Some(activity) = self.find_service("activity")? else { return Ok(None) };
        let method = (api::ACTIVITY_MANAGER, "getContentProvider", Way::Both);
        let outcome = self.call(&activity, method, json!({ "authority": authority }), |w| {
            requests::get_provider(w, &self.caller, &self.companions, authority)
        })?;
        let Outcome::Granted(Some(mut reply)) = outcome else { return Ok(None) };
        let mut holder = || -> rsbinder::Result<Option<SIBinder>> {
            if reply.read_i32()? == 0 {
                return Ok(None);
            }
            for _name_package_authority in 0..3 {
                if self.api.level() <= 29 {
                    read::string16(&mut reply)?
                } else {
                    read::string8(&mut reply)?
                };
            }
            reply.read()
        };
        holder().map_err(|status| anyhow!("the holder of {authority}: {status}"))
    }

    /// The provider of that authority.
    ///
    /// # Errors
    /// Also when it is not there.
    pub fn provider(&self, authority: &str) -> Result<SIBinder> {
        self.find_provider(authority)?.ok_or_else(|| anyhow!("no provider {authority}: was start-world.sh run?"))
    }

    /// Waits until all are there.
    ///
    /// # Errors
    /// When one is not within `limit`.
    pub fn wait_for(&self, services: &[String], authorities: &[String], limit: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let mut missing = Vec::new();
            for name in services {
                if self.find_service(name)?.is_none() {
                    missing.push(name.as_str());
                }
            }
            for authority in authorities {
                if self.find_provider(authority)?.is_none() {
                    missing.push(authority.as_str());
                }
            }
            if missing.is_empty() {
                return Ok(());
            }
            if start.elapsed() > limit {
                return Err(anyhow!("not there after {} s: {}", limit.as_secs(), missing.join(", ")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Queries a provider, reads the cursor, closes it.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn query(&self, provider: &SIBinder, authority: &str, uri: &Uri, query: &Query) -> Result<Outcome> {
        let about = json!({ "authority": authority, "uri": uri.to_string(), "projection": query.projection,
            "selection": query.selection, "arguments": query.arguments, "sort_order": query.order });
        let method = (api::CONTENT_PROVIDER, "query", Way::Both);
        let mut cursor = None;
        let outcome = self.call_and_read(
            provider,
            method,
            about,
            |w| requests::query(w, &self.caller, &self.companions, uri, query),
            |reply| {
                let read = crate::cursor::read(self.api, reply).map_err(|status| anyhow!("the cursor: {status}"))?;
                let (binder, columns, count, rows) = read;
                cursor = Some(binder);
                Ok(json!({ "columns": columns, "rows": count, "window_bytes": rows.len() }))
            },
        )?;
        if let Some(cursor) = cursor {
            self.call(&cursor, (api::BULK_CURSOR, "close", Way::Both), json!({}), |_| Ok(()))?;
        }
        Ok(outcome)
    }

    /// insert.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn insert(&self, provider: &SIBinder, uri: &Uri, values: Entries<'_>) -> Result<Outcome> {
        let keys: Vec<_> = values.iter().map(|(key, _)| *key).collect();
        let about = json!({ "uri": uri.to_string(), "keys": keys });
        let method = (api::CONTENT_PROVIDER, "insert", Way::Both);
        self.call(provider, method, about, |w| requests::insert(w, &self.caller, uri, values))
    }

    /// update.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn update(&self, provider: &SIBinder, uri: &Uri, values: Entries<'_>, query: &Query) -> Result<Outcome> {
        let keys: Vec<_> = values.iter().map(|(key, _)| *key).collect();
        let about = json!({ "uri": uri.to_string(), "keys": keys, "selection": query.selection,
            "arguments": query.arguments });
        let method = (api::CONTENT_PROVIDER, "update", Way::Both);
        self.call(provider, method, about, |w| requests::update(w, &self.caller, uri, values, query))
    }

    /// delete.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn delete(&self, provider: &SIBinder, uri: &Uri, query: &Query) -> Result<Outcome> {
        let about = json!({ "uri": uri.to_string(), "selection": query.selection, "arguments": query.arguments });
        let method = (api::CONTENT_PROVIDER, "delete", Way::Both);
        self.call(provider, method, about, |w| requests::delete(w, &self.caller, uri, query))
    }

    /// getType.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn get_type(&self, provider: &SIBinder, uri: &Uri) -> Result<Outcome> {
        let method = (api::CONTENT_PROVIDER, "getType", Way::Both);
        self.call(provider, method, json!({ "uri": uri.to_string() }), |w| requests::get_type(w, &self.caller, uri))
    }

    /// openFile; gives how many bytes the file that came back holds.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn open_file(&self, provider: &SIBinder, uri: &Uri, mode: &str) -> Result<Option<usize>> {
        use std::io::Read as _;
        let method = (api::CONTENT_PROVIDER, "openFile", Way::Both);
        let about = json!({ "uri": uri.to_string(), "mode": mode });
        let mut size = None;
        self.call_and_read(
            provider,
            method,
            about,
            |w| requests::open_file(w, &self.caller, uri, mode),
            |reply| {
                let file: rsbinder::ParcelFileDescriptor =
                    reply.read().map_err(|status| anyhow!("the file of {uri}: {status}"))?;
                let mut bytes = Vec::new();
                std::fs::File::from(std::os::fd::OwnedFd::from(file)).read_to_end(&mut bytes).context("reading it")?;
                size = Some(bytes.len());
                Ok(json!({ "file_bytes": bytes.len() }))
            },
        )?;
        Ok(size)
    }

    /// A `call` of a provider.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn provider_call(
        &self,
        provider: &SIBinder,
        authority: &str,
        method: &str,
        argument: Option<&str>,
        extras: Option<Entries<'_>>,
    ) -> Result<Outcome> {
        let about = json!({ "authority": authority, "call_method": method, "argument": argument });
        let way = (api::CONTENT_PROVIDER, "call", Way::Both);
        self.call(provider, way, about, |w| requests::call(w, &self.caller, authority, method, argument, extras))
    }
}
