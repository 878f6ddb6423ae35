//! `binder-world`: an Android-like world of services, providers and apps on the binder driver, in one program. Its README
//! tells what it is for. Everything but [`raw`] stands on rsbinder, so that Candor's decoders are tested against a user
//! space that is not their own mirror.

use anyhow::{Context, Result, bail};
use api::Api;
use client::{Client, Way};
use std::process::ExitCode;
use std::time::Duration;

mod api;
mod client;
mod content_provider;
mod cursor;
mod identity;
mod parcel_reader;
mod parcel_writer;
mod permissions;
mod raw;
mod requests;
mod scenarios;
mod service;
mod service_manager;
mod system_server;
mod truth;

const HELP: &str = "\
binder-world COMMAND [OPTION...]: services, content providers and apps on the binder driver

Servers (until they are ended; start-world.sh starts them all):
  service-manager           handle 0
  system-server             activity, iphonesubinfo, phone, location, package, clipboard, wifi, the settings provider, and
                            candor.test, which serves the scenarios about threads
  provider KIND             contacts, call_log, sms, calendar or media
  raw-server [NAME]         the server of raw-ping, without rsbinder; NAME is candor.raw unless told

Clients (each prints a JSON line for each thing it did, and what came of it):
  leaky                     contacts, android_id, location, phone number, IMEI (denied), packages, clipboard, Wi-Fi, call log
                            (denied), SMS, a directory, a file; --connect ADDRESS:PORT for a connection as well
  honest                    contacts only
  all-calls                 every call of a provider, with errors; openFile; more of the package manager
  location-updates          registers a listener and waits for three positions
  two-authorities           one provider under two names
  slow [--milliseconds N]   waits for a reply (10000), then queries the contacts
  nested                    calls a service that calls back; in that call it queries the contacts
  waiting                   an app whose only thread waits in the driver, until
  poke                      lets it query the contacts
  burst --count N           N calls; --threads T, --oneway, --target provider|location|test
  malicious --count N       N malformed transactions, by the driver's own interface; --seed S makes another sequence

Measuring, without rsbinder:
  raw-ping --count N        N transactions of --size BYTES (512) to raw-server, and the ns for each; --sg sends them as
                            BC_TRANSACTION_SG, --interface NAME names another interface in them, --name the server

For tests:
  wait SECONDS              until all services and providers are there
  list                      the services and providers
  dump-parcels [--api N]    the clients' requests as JSON lines (hex, offsets, code); needs no driver

Options of all:
  --api N                   the API level spoken, 28 to 36; otherwise that of /system/build.prop, or 33
  --package NAME            act as this package of /data/system/packages.list; root becomes its user id. Clients are
                            com.example.leaky unless told; honest and poke are com.example.honest,
                            malicious is com.example.photonotes
";

#[derive(Default)]
struct Options {
    words: Vec<String>,
    api: Option<Api>,
    package: Option<String>,
    count: Option<u64>,
    threads: Option<u64>,
    seed: Option<u64>,
    size: Option<u64>,
    milliseconds: Option<u64>,
    target: Option<String>,
    interface: Option<String>,
    name: Option<String>,
    connect: Option<String>,
    oneway: bool,
    sg: bool,
    help: bool,
}

fn parse() -> Result<Options> {
    use lexopt::{Arg, ValueExt};
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => options.help = true,
            Arg::Long("oneway") => options.oneway = true,
            Arg::Long("sg") => options.sg = true,
            Arg::Long("package") => options.package = Some(parser.value()?.string()?),
            Arg::Long("target") => options.target = Some(parser.value()?.string()?),
            Arg::Long("interface") => options.interface = Some(parser.value()?.string()?),
            Arg::Long("connect") => options.connect = Some(parser.value()?.string()?),
            Arg::Long("name") => options.name = Some(parser.value()?.string()?),
            Arg::Long("api") => options.api = Some(Api::parse(&parser.value()?.string()?)?),
            Arg::Long("count") => options.count = Some(parser.value()?.parse()?),
            Arg::Long("threads") => options.threads = Some(parser.value()?.parse()?),
            Arg::Long("seed") => options.seed = Some(parser.value()?.parse()?),
            Arg::Long("size") => options.size = Some(parser.value()?.parse()?),
            Arg::Long("milliseconds") => options.milliseconds = Some(parser.value()?.parse()?),
            Arg::Value(word) => options.words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    match parse().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("binder-world: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mut words = options.words.iter().map(String::as_str);
    let command = words.next();
    if options.help || command.is_none() {
        print!("{HELP}");
        return Ok(());
    }
    let api = options.api.unwrap_or_else(Api::of_device);
    let count = || options.count.context("--count N is needed");
    let package = |default: &'static str| options.package.as_deref().unwrap_or(default).to_owned();
    let leaky = package("com.example.leaky");
    let client = |package: &str, threads| {
        identity::become_package(package, package)?;
        Client::open(api, package, threads)
    };
    match command.unwrap_or_default() {
        "service-manager" => {
            identity::become_package("android", "servicemanager")?;
            service_manager::run(api)
        }
        "system-server" => {
            identity::become_package("android", "system_server")?;
            system_server::run(api)
        }
        "provider" => provider(api, words.next().context("which provider? See --help")?),
        "raw-server" => raw::serve(words.next().unwrap_or(raw::SERVER), api),
        "leaky" => scenarios::leaky(&client(&leaky, 0)?, options.connect.as_deref()),
        "honest" => scenarios::honest(&client(&package("com.example.honest"), 0)?),
        "all-calls" => scenarios::all_calls(&client(&leaky, 0)?),
        "location-updates" => scenarios::location_updates(client(&leaky, 1)?),
        "two-authorities" => scenarios::two_authorities(&client(&leaky, 0)?),
        "slow" => {
            let milliseconds = i32::try_from(options.milliseconds.unwrap_or(10_000)).context("--milliseconds")?;
            scenarios::slow(&client(&leaky, 0)?, milliseconds)
        }
        "nested" => scenarios::nested(&client(&leaky, 0)?),
        "waiting" => scenarios::waiting(&client(&leaky, 0)?),
        "poke" => scenarios::poke(&client(&package("com.example.honest"), 0)?),
        "burst" => {
            let aim = match options.target.as_deref().unwrap_or("provider") {
                "provider" => scenarios::Aim::Provider,
                "location" => scenarios::Aim::Location,
                "test" => scenarios::Aim::Test,
                other => bail!("--target {other}: provider, location or test"),
            };
            let way = if options.oneway { Way::One } else { Way::Both };
            let threads = options.threads.unwrap_or(1).clamp(1, 64);
            scenarios::burst(&client(&leaky, 0)?, aim, count()?, threads, way)
        }
        "malicious" => {
            // One that may not write, so that no row is lost to a transaction that happens to be a good one.
            let package = package("com.example.photonotes");
            identity::become_package(&package, &package)?;
            raw::malicious(api, &package, count()?, options.seed.unwrap_or(1))
        }
        "raw-ping" => {
            identity::become_package(&leaky, &leaky)?;
            let interface = options.interface.as_deref().unwrap_or(api::CONTENT_PROVIDER);
            let name = options.name.as_deref().unwrap_or(raw::SERVER);
            raw::ping(api, name, interface, count()?, options.size.unwrap_or(512), options.sg)
        }
        "wait" => {
            let seconds = words.next().context("how many seconds?")?.parse().context("seconds")?;
            let services: Vec<_> = system_server::SERVICES.iter().map(|(name, _)| (*name).to_owned()).collect();
            Client::open(api, "com.android.shell", 0)?.quiet().wait_for(
                &services,
                &authorities(),
                Duration::from_secs(seconds),
            )
        }
        "list" => {
            let client = Client::open(api, "com.android.shell", 0)?;
            for (name, _) in system_server::SERVICES {
                client.find_service(name)?;
            }
            authorities().iter().try_for_each(|authority| client.find_provider(authority).map(drop))
        }
        "dump-parcels" => match options.api {
            Some(api) => scenarios::dump_parcels(api),
            None => {
                Api::KNOWN.map(|level| Api::parse(&level.to_string())).try_for_each(|api| scenarios::dump_parcels(api?))
            }
        },
        other => bail!("no command {other}; see --help"),
    }
}

fn authorities() -> Vec<String> {
    let all = content_provider::KINDS.iter().flat_map(|kind| kind.authorities.split(';'));
    all.map(str::to_owned).collect()
}

fn provider(api: Api, name: &str) -> Result<()> {
    let Some(kind) = content_provider::KINDS.iter().find(|kind| kind.name == name) else {
        bail!("no provider {name}; see --help");
    };
    identity::become_package(kind.package, kind.package)?;
    let guard = permissions::Guard::new(identity::packages()?);
    let provider = content_provider::Provider::new(api, kind, guard);
    let provider = service::binder(api::CONTENT_PROVIDER, api, Box::new(provider))?;
    Client::open(api, kind.package, 15)?.quiet().publish(kind.authorities, &provider)?;
    service::serve()
}
