//! `candor metrics`: the daemon's counters, for Prometheus and whatever else reads OpenMetrics.
//!
//! It is the host that serves them, over the channel that every client uses, and not the daemon: a port of its own on the
//! device would tell every app there who is traced.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use clap::Args;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::terminal::{output_error, say, stdout};
use super::{CommandError, Exit};
use crate::host::client::{Address, DaemonClient, DaemonReport};

/// The media type of what is served (OpenMetrics 1.0, "Data Model: Text Format").
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `candor metrics`.
#[derive(Debug, Args)]
pub(super) struct MetricsCommand {
    /// Serve them at http://ADDRESS/metrics until Ctrl-C, read anew for each scrape. Nobody is asked who they are, so keep to
    /// a loopback address unless everybody may read them
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// Prints the metrics, or serves them.
pub(super) async fn metrics(address: &Address, command: &MetricsCommand) -> Result<Exit, CommandError> {
    let Some(listen) = command.listen else {
        let report = DaemonClient::connect(address).await?.report().await?;
        let text = text_of(Some(&report)).map_err(|error| CommandError::new(Exit::Internal, error.to_string()))?;
        let mut out = stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(output_error)?;
        return Ok(Exit::Ok);
    };
    let refused = |error| {
        CommandError::new(
            Exit::CannotCreate,
            format!("cannot listen on {listen}: {error}; give another one to --listen, such as 127.0.0.1:0"),
        )
    };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let listen = listener.local_addr().map_err(refused)?;
    let scraped = Arc::new(Scraped { address: address.clone(), client: Mutex::new(None) });
    // Tells at once when there is no daemon, which is a mistake at this moment and would be an outage later.
    let mut client = DaemonClient::connect(address).await?;
    client.report().await?;
    *scraped.client.lock().await = Some(client);
    say(format!("metrics of {address} at http://{listen}/metrics"));
    let routes = axum::Router::new().route("/metrics", get(scrape)).with_state(scraped);
    let stopped = async {
        // When the signal cannot be waited for, it ends the program, which is as good.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, routes)
        .with_graceful_shutdown(stopped)
        .await
        .map_err(|error| CommandError::new(Exit::InputOutput, format!("cannot serve metrics any more: {error}")))?;
    Ok(Exit::Ok)
}

/// Where the numbers come from; the connection is kept for the next scrape.
struct Scraped {
    address: Address,
    client: Mutex<Option<DaemonClient>>,
}

async fn scrape(State(scraped): State<Arc<Scraped>>) -> Response {
    let report = scraped.report().await;
    match text_of(report.as_ref()) {
        Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Scraped {
    /// The daemon's numbers; `None` while it cannot be reached. A connection that broke is opened once more.
    async fn report(&self) -> Option<DaemonReport> {
        let mut client = self.client.lock().await;
        if let Some(open) = client.as_mut()
            && let Ok(report) = open.report().await
        {
            return Some(report);
        }
        *client = None;
        let asked = async {
            let mut new = DaemonClient::connect(&self.address).await?;
            let report = new.report().await?;
            *client = Some(new);
            Ok::<_, crate::host::client::ClientError>(report)
        };
        match asked.await {
            Ok(report) => Some(report),
            Err(error) => {
                tracing::warn!(%error, "the daemon cannot be asked");
                None
            }
        }
    }
}

type Labels = Vec<(&'static str, String)>;

/// Makes one metric after another, and keeps its samples together as the format wants it.
struct Metrics {
    registry: Registry,
}

impl Metrics {
    fn gauge(&mut self, name: &'static str, help: &'static str, samples: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in samples {
            family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.registry.register(name, help, family);
    }

    /// The name is written with `_total` behind it.
    fn counter(&mut self, name: &'static str, help: &'static str, samples: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in samples {
            family.get_or_create(&labels).inc_by(value);
        }
        self.registry.register(name, help, family);
    }
}

/// The metrics as text. Without a report the daemon cannot be reached, and that is all there is to tell.
fn text_of(report: Option<&DaemonReport>) -> Result<String, std::fmt::Error> {
    let mut metrics = Metrics { registry: Registry::with_prefix("candor") };
    metrics.gauge("daemon_up", "Whether the daemon answers", [(Vec::new(), u64::from(report.is_some()))]);
    if let Some(report) = report {
        daemon(&mut metrics, report);
        sessions(&mut metrics, report);
    }
    let mut text = String::new();
    encode(&mut text, &metrics.registry)?;
    Ok(text)
}

fn daemon(metrics: &mut Metrics, report: &DaemonReport) {
    if let Some(process) = &report.process {
        let one = |value| [(Vec::new(), value)];
        metrics.gauge("daemon_resident_bytes", "Memory of the daemon now", one(process.resident_bytes));
        metrics.gauge("daemon_peak_resident_bytes", "The most it ever had", one(process.peak_resident_bytes));
        metrics.counter("daemon_processor_milliseconds", "Processor time that it has used", one(process.processor_ms));
        metrics.gauge("daemon_running_milliseconds", "How long it has been running", one(process.running_ms));
    }
    if let Some(access) = &report.access {
        metrics.gauge("connections", "Connections now, this one included", [(Vec::new(), access.connections)]);
        metrics.counter("connections_accepted", "Connections so far", [(Vec::new(), access.connections_total)]);
        metrics.counter("requests", "Requests so far", [(Vec::new(), access.requests_total)]);
        let refusals = access.refusals.iter().map(|refusal| (vec![("reason", refusal.reason.clone())], refusal.count));
        metrics.counter("refusals", "What was refused, by reason", refusals);
    }
    let running = report.sessions.iter().filter(|session| session.running).count();
    let states = [("running", running), ("ended", report.sessions.len() - running)];
    metrics.gauge(
        "sessions",
        "Sessions that the daemon holds",
        states.map(|(state, count)| (vec![("state", state.to_owned())], u64::try_from(count).unwrap_or(u64::MAX))),
    );
}

fn sessions(metrics: &mut Metrics, report: &DaemonReport) {
    let each = |value: fn(&crate::host::client::SessionReport) -> u64| {
        report.sessions.iter().map(move |session| (vec![("session", session.session_id.clone())], value(session)))
    };
    metrics.counter("session_events", "Events numbered so far", each(|session| session.totals.events));
    metrics.gauge("session_subscribers", "Streams that read it now", each(|session| session.subscribers));
    metrics.gauge("session_spool_memory_bytes", "Memory of its spool", each(|session| session.spool_memory_bytes));
    metrics.gauge("session_spool_file_bytes", "Files of its spool", each(|session| session.spool_file_bytes));
    let failures = each(|session| session.spool_write_failures);
    metrics.counter("session_spool_write_failures", "Times that its files could not be written", failures);

    let (mut units, mut dropped) = (Vec::new(), Vec::new());
    for session in &report.sessions {
        for (stage, account) in &session.totals.loss.stages {
            let labels = |more: (&'static str, String)| {
                vec![("session", session.session_id.clone()), ("stage", stage.name().to_owned()), more]
            };
            let ways =
                [("produced", account.produced), ("delivered", account.delivered), ("filtered", account.filtered)];
            units.extend(ways.map(|(way, count)| (labels(("way", way.to_owned())), count)));
            dropped.extend(account.dropped.iter().map(|(reason, count)| (labels(("reason", reason.clone())), *count)));
        }
    }
    metrics.counter("stage_units", "The account of each stage: what was produced, delivered and filtered", units);
    metrics.counter("stage_dropped", "What each stage lost, by reason", dropped);

    // Kernel programs count for the daemon as a whole: each session repeats the same numbers, the newest has the latest.
    let programs =
        report.sessions.iter().rev().map(|session| &session.totals.loss.programs).find(|list| !list.is_empty());
    let runs = programs.into_iter().flatten().flat_map(|program| {
        let ways = [
            ("submitted", program.submitted),
            ("filtered", program.filtered),
            ("aggregated", program.aggregated),
            ("lost", program.lost),
        ];
        ways.map(|(way, count)| (vec![("program", program.program.clone()), ("way", way.to_owned())], count))
    });
    metrics.counter("program_runs", "How each run of a kernel program ended", runs);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{LossTotals, Stage, StageTotals, Totals};
    use crate::host::client::SessionReport;

    #[test]
    fn every_number_is_told_with_its_labels() {
        let mut reader = StageTotals { produced: 10, delivered: 7, ..StageTotals::default() };
        reader.drop_for("ring_full", 3);
        let loss = LossTotals { stages: [(Stage::Reader, reader)].into(), ..LossTotals::default() };
        let session = SessionReport {
            session_id: "s1".to_owned(),
            running: true,
            totals: Totals { time_ns: 1, events: 7, loss },
            subscribers: 2,
            spool_memory_bytes: 100,
            spool_file_bytes: 200,
            spool_write_failures: 0,
        };
        let report = DaemonReport { access: None, process: None, sessions: vec![session] };
        let text = text_of(Some(&report)).unwrap();
        for line in [
            "candor_daemon_up 1",
            "candor_sessions{state=\"running\"} 1",
            "candor_session_events_total{session=\"s1\"} 7",
            "candor_stage_units_total{session=\"s1\",stage=\"reader\",way=\"delivered\"} 7",
            "candor_stage_dropped_total{session=\"s1\",stage=\"reader\",reason=\"ring_full\"} 3",
            "# EOF",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_daemon_that_does_not_answer_is_down() {
        let text = text_of(None).unwrap();
        assert!(text.contains("\ncandor_daemon_up 0\n"), "{text}");
        assert!(!text.contains("candor_sessions"), "nothing is claimed of it");
    }
}
