//! What all servers share: binders with a descriptor and a handler, exceptions as replies, the driver.

use crate::api::{self, Api};
use crate::parcel_writer::Writer;
use anyhow::{Result, anyhow};
use rsbinder::{Parcel, ProcessState, Remotable, SIBinder, StatusCode};

/// Java's exceptions as a reply carries them.
#[derive(Debug)]
pub enum Exception {
    /// SecurityException: denied.
    Security(String),
    /// IllegalArgumentException.
    IllegalArgument(String),
    /// FileNotFoundException and others that Java passes on in one way or another.
    IllegalState(String),
    /// UnsupportedOperationException.
    Unsupported(String),
    /// What the driver's status says; nothing is in the reply then.
    Status(StatusCode),
}

impl From<StatusCode> for Exception {
    fn from(status: StatusCode) -> Self {
        Self::Status(status)
    }
}

/// What a method of a service gives back.
pub type Answer = std::result::Result<(), Exception>;

/// A service: the methods of one interface.
pub trait Service: Send + Sync {
    /// Serves one call. `method` is the name of its code at the level the service speaks. The reply already holds the
    /// word that says that no exception was thrown.
    fn call(&self, method: &str, arguments: &mut Parcel, reply: &mut Writer) -> Answer;
}

/// A service and the level it speaks.
pub struct Served {
    api: Api,
    service: Box<dyn Service>,
}

impl Served {
    fn transact(&self, interface: &str, code: u32, arguments: &mut Parcel, reply: &mut Parcel) -> rsbinder::Result<()> {
        // An unknown code is rsbinder's to answer: it asks here first, for INTERFACE too.
        let method = api::name_of(self.api, interface, code).ok_or(StatusCode::UnknownTransaction)?;
        let mut outcome = Ok(());
        Writer::reply(self.api, reply, |writer| {
            // The service manager up to 29 was written in C, and had no word for exceptions.
            if interface != api::SERVICE_MANAGER || self.api.level() >= 30 {
                writer.i32(0)?;
            }
            outcome = self.service.call(method, arguments, writer);
            Ok(())
        })?;
        let (number, message) = match outcome {
            Ok(()) => return Ok(()),
            Err(Exception::Status(status)) => return Err(status),
            Err(Exception::Security(message)) => (-1, message),
            Err(Exception::IllegalArgument(message)) => (-3, message),
            Err(Exception::IllegalState(message)) => (-5, message),
            Err(Exception::Unsupported(message)) => (-7, message),
        };
        *reply = Parcel::new();
        Writer::reply(self.api, reply, |writer| {
            writer.i32(number)?;
            writer.string16(Some(&message))?;
            // No stack trace.
            writer.i32(0)
        })
    }
}

macro_rules! interfaces {
    ($($name:ident = $descriptor:expr;)*) => {
        /// A binder of that interface that lets the service answer.
        ///
        /// # Errors
        /// When no service here has such an interface.
        pub fn binder(interface: &str, api: Api, service: Box<dyn Service>) -> Result<SIBinder> {
            use rsbinder::Interface;
            let served = Served { api, service };
            $(if interface == $descriptor {
                return Ok(rsbinder::Binder::new($name(served)).as_binder());
            })*
            Err(anyhow!("no service here has the interface {interface}"))
        }

        $(struct $name(Served);

        impl Remotable for $name {
            fn descriptor() -> &'static str {
                $descriptor
            }

            fn on_transact(&self, code: u32, arguments: &mut Parcel, reply: &mut Parcel) -> rsbinder::Result<()> {
                self.0.transact($descriptor, code, arguments, reply)
            }

            fn on_dump(&self, _: &mut dyn std::io::Write, _: &[String]) -> rsbinder::Result<()> {
                Ok(())
            }
        })*
    };
}

interfaces! {
    ServiceManager = api::SERVICE_MANAGER;
    ActivityManager = api::ACTIVITY_MANAGER;
    ContentProvider = api::CONTENT_PROVIDER;
    BulkCursor = api::BULK_CURSOR;
    PhoneSubInfo = api::PHONE_SUB_INFO;
    Telephony = api::TELEPHONY;
    LocationManager = api::LOCATION_MANAGER;
    LocationListener = api::LOCATION_LISTENER;
    PackageManager = api::PACKAGE_MANAGER;
    Clipboard = api::CLIPBOARD;
    WifiManager = api::WIFI_MANAGER;
    TestService = api::TEST_SERVICE;
    ApplicationThread = "android.app.IApplicationThread";
    ContentObserver = "android.database.IContentObserver";
    Token = "";
}

/// Answers nothing: for binders that only stand for something.
pub struct Silent;

impl Service for Silent {
    fn call(&self, _: &str, _: &mut Parcel, _: &mut Writer) -> Answer {
        Ok(())
    }
}

/// Opens the driver for this process.
///
/// # Errors
/// When there is none, or it is not allowed.
pub fn open_driver(threads: u32) -> Result<&'static ProcessState> {
    let path = ["/dev/binder", "/dev/binderfs/binder"].into_iter().find(|path| std::path::Path::new(path).exists());
    let path = path.ok_or_else(|| anyhow!("there is neither /dev/binder nor /dev/binderfs/binder"))?;
    ProcessState::init(path, threads).map_err(|error| anyhow!("opening {path}: {error}"))
}

/// Serves until the process is ended.
///
/// # Errors
/// When the driver ends it.
pub fn serve() -> Result<()> {
    ProcessState::join_thread_pool().map_err(|status| anyhow!("serving: {status}"))
}
