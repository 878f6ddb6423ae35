//! Handle 0: names to binders.

use crate::api::{self, Api};
use crate::parcel_reader as read;
use crate::parcel_writer::Writer;
use crate::service::{self, Answer, Exception, Service};
use anyhow::{Result, anyhow};
use rsbinder::{Parcel, SIBinder};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
struct Names(Mutex<BTreeMap<String, SIBinder>>);

impl Service for Names {
    fn call(&self, method: &str, arguments: &mut Parcel, reply: &mut Writer) -> Answer {
        let names = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match method {
            "getService" | "checkService" => {
                let name = read::string16(arguments)?.unwrap_or_default();
                let found = names().get(&name).cloned();
                reply.binder(found.as_ref())?;
            }
            "addService" => {
                let name = read::string16(arguments)?.ok_or(rsbinder::StatusCode::BadValue)?;
                // This calls back to ask for the interface, so no lock may be held.
                let service: SIBinder = arguments.read()?;
                names().insert(name, service);
            }
            "listServices" => {
                let all: Vec<String> = names().keys().cloned().collect();
                reply.strings16(Some(&all))?;
            }
            other => return Err(Exception::Unsupported(other.to_owned())),
        }
        Ok(())
    }
}

/// Becomes the service manager and serves.
///
/// # Errors
/// When there is one already, or no driver.
pub fn run(api: Api) -> Result<()> {
    let driver = service::open_driver(0)?;
    let manager = service::binder(api::SERVICE_MANAGER, api, Box::new(Names::default()))?;
    driver.become_context_manager(manager).map_err(|error| anyhow!("becoming the service manager: {error}"))?;
    service::serve()
}
