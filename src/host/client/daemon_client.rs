//! Calls to the daemon.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::tls::{Bearer, Complaint, Trust};
use super::{AccessReport, Address, ClientError, DaemonReport, SessionReport};
use crate::event::{
    ClockAnchor, DeviceInfo, EventFilter, PackageList, Phase, ProbeStatus, Selection, SessionEnd, SessionHeader,
    WatchCondition, WatchNews,
};
use crate::wire::{WireError, proto};
use proto::candor_service_client::CandorServiceClient;

/// How long an answer may take. Generous: starting a session reads what is already open from `/proc`.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// The longest message that is taken from the daemon.
const LONGEST_MESSAGE: usize = 15 * 1024 * 1024;

/// The daemon's own description.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeviceDescription {
    /// The device.
    pub device: DeviceInfo,
    /// What each probe gives for each family, as of now.
    pub probes: Vec<ProbeStatus>,
    /// The device's clocks, now.
    pub now: ClockAnchor,
}

/// What a session shall be.
#[derive(Debug, Clone, Default)]
pub struct SessionWish {
    /// What to trace. Empty only for a daemon that replays a capture.
    pub selection: Selection,
    /// A name for people.
    pub label: String,
    /// The phase at the beginning; none means the daemon's default.
    pub initial_phase: Option<Phase>,
    /// Keep the raw records on the device.
    pub keep_raw: bool,
    /// The daemon ends the session when nobody has read it for this long; none means never.
    pub unread: Option<Duration>,
    /// The daemon ends it after so many events; none means never.
    pub events: Option<u64>,
    /// The daemon ends it after so many bytes in its spool; none means never.
    pub bytes: Option<u64>,
    /// Only who shows the owner's token may mark and stop it.
    pub owned: bool,
    /// Packages that are not installed are waited for.
    pub await_packages: bool,
}

/// How a stream shall be.
#[derive(Debug, Clone, Default)]
pub struct StreamWish {
    /// The first event wanted; 0 and 1 mean from the beginning.
    pub from_sequence: u64,
    /// Only these events.
    pub filter: EventFilter,
    /// Rather miss events than wait when we are slow.
    pub drop_when_slow: bool,
    /// Only who did what, when, and how it ended.
    pub light: bool,
}

/// A session that was started.
#[derive(Debug, Clone)]
pub struct StartedSession {
    /// Its header.
    pub header: SessionHeader,
    /// Where the daemon keeps the raw records; empty when it does not.
    pub raw_capture_path: String,
    /// The owner's token; empty unless the session is owned.
    pub owner_token: String,
}

/// One session in a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SessionRow {
    /// The session.
    pub session_id: String,
    /// What the client called it.
    pub label: String,
    /// When it began.
    pub started: ClockAnchor,
    /// What is traced.
    pub selection: Selection,
    /// The phase now.
    pub phase: String,
    /// Events numbered so far.
    pub events: u64,
    /// Lost so far, over all stages.
    pub dropped: u64,
    /// How it ended; none while it runs.
    pub end: Option<SessionEnd>,
    /// Only its owner may mark and stop it.
    pub owned: bool,
    /// Bytes in its spool so far, approximately.
    pub spooled_bytes: u64,
}

impl TryFrom<proto::SessionSummary> for SessionRow {
    type Error = WireError;

    fn try_from(row: proto::SessionSummary) -> Result<Self, WireError> {
        Ok(Self {
            session_id: row.session_id,
            label: row.label,
            started: row.started.unwrap_or_default().try_into()?,
            selection: row.selection.unwrap_or_default().try_into()?,
            phase: row.phase,
            events: row.events,
            dropped: row.dropped,
            end: row.end.map(SessionEnd::try_from).transpose()?,
            owned: row.owned,
            spooled_bytes: row.spooled_bytes,
        })
    }
}

/// A connection to a daemon. Clones share it.
#[derive(Debug, Clone)]
pub struct DaemonClient {
    service: CandorServiceClient<InterceptedService<Channel, Bearer>>,
    address: Address,
    /// What TLS had to say; never anything on a Unix socket.
    complaint: Complaint,
    /// Shown with each mark and stop; may be empty.
    owner_token: String,
}

impl DaemonClient {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nothing listens there, it may not be opened, or what listens is no daemon.
    pub async fn connect(address: &Address) -> Result<Self, ClientError> {
        let trust = match address {
            Address::Tls { host, credentials, .. } => Some(
                Trust::read(host, credentials)
                    .map_err(|source| ClientError::Credentials { address: address.clone(), source })?,
            ),
            Address::Path(_) | Address::Abstract(_) => None,
        };
        let complaint = trust.as_ref().map(|trust| trust.complaint.clone()).unwrap_or_default();
        let bearer = trust.as_ref().map(|trust| trust.bearer.clone()).unwrap_or_default();
        let opened = address.open(trust.as_ref()).await.map_err(|source| ClientError::connecting(address, source))?;
        // The first connection is the one that was just opened; later ones, after a loss, are opened anew.
        let opened = std::sync::Arc::new(std::sync::Mutex::new(Some(opened)));
        let connector_address = address.clone();
        let connector = service_fn(move |_: Uri| {
            let first = opened.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let (address, trust) = (connector_address.clone(), trust.clone());
            async move {
                let stream = match first {
                    Some(stream) => stream,
                    None => address.open(trust.as_ref()).await?,
                };
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        });
        // The name is required by HTTP/2 and means nothing here: the connector knows where to go.
        let endpoint = Endpoint::from_static("http://candord");
        let connecting = endpoint.connect_with_connector(connector);
        let not_a_daemon = |detail: String| ClientError::NotADaemon { address: address.clone(), detail };
        let channel = tokio::time::timeout(ANSWER_DEADLINE, connecting)
            .await
            .map_err(|_elapsed| not_a_daemon("it does not answer".to_owned()))?
            .map_err(|error| not_a_daemon(error.to_string()).or_complaint(&complaint))?;
        let service = CandorServiceClient::with_interceptor(channel, bearer).max_decoding_message_size(LONGEST_MESSAGE);
        Ok(Self { service, address: address.clone(), complaint, owner_token: String::new() })
    }

    /// Describes the device. The first call on a connection: if it fails in the transport, no daemon listens there.
    ///
    /// # Errors
    ///
    /// When the daemon does not answer, or not in our language.
    pub async fn device(&mut self) -> Result<DeviceDescription, ClientError> {
        let address = self.address.clone();
        let answer = in_time(&address, &self.complaint, self.service.get_device(proto::GetDeviceRequest {})).await;
        let answer = answer.map_err(|error| match error {
            ClientError::Gone { address, detail } => ClientError::NotADaemon { address, detail },
            other => other,
        })?;
        let understand = || -> Result<DeviceDescription, WireError> {
            Ok(DeviceDescription {
                device: answer.device.unwrap_or_default().try_into()?,
                probes: answer.probes.into_iter().map(ProbeStatus::try_from).collect::<Result<_, _>>()?,
                now: answer.now.unwrap_or_default().try_into()?,
            })
        };
        understand().map_err(|source| ClientError::Answer { address, source })
    }

    /// Whom the daemon let in, and what it refused; nothing when it is of a version that does not tell.
    ///
    /// # Errors
    ///
    /// When the daemon is gone, or refuses.
    pub async fn access(&mut self) -> Result<Option<AccessReport>, ClientError> {
        match in_time(&self.address, &self.complaint, self.service.get_status(proto::GetStatusRequest {})).await {
            Ok(status) => Ok(status.access.map(AccessReport::from)),
            Err(ClientError::NotADaemon { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How the daemon is: its process, its sessions, and whom it let in.
    ///
    /// # Errors
    ///
    /// When the daemon is gone, or its answer is not understood.
    pub async fn report(&mut self) -> Result<DaemonReport, ClientError> {
        let status =
            in_time(&self.address, &self.complaint, self.service.get_status(proto::GetStatusRequest {})).await?;
        let proto::GetStatusResponse { access, sessions, daemon } = status;
        // Asked afterwards: a session that ends in between is told as ended, and its account is then nearly its last.
        let rows = self.sessions().await?;
        let session = |status: proto::SessionStatus| {
            let proto::SessionStatus { session_id, totals, spool, subscribers } = status;
            let spool = spool.unwrap_or_default();
            Ok(SessionReport {
                running: rows.iter().any(|row| row.session_id == session_id && row.end.is_none()),
                totals: totals.unwrap_or_default().try_into()?,
                subscribers: subscribers.into(),
                spool_memory_bytes: spool.memory_bytes,
                spool_file_bytes: spool.file_bytes.unwrap_or(0),
                spool_write_failures: spool.write_failures,
                session_id,
            })
        };
        let sessions = self.understood(sessions.into_iter().map(session).collect())?;
        Ok(DaemonReport { access: access.map(AccessReport::from), process: daemon.map(Into::into), sessions })
    }

    /// The device's packages.
    ///
    /// # Errors
    ///
    /// When the daemon is gone, or its answer is not understood.
    pub async fn packages(&mut self) -> Result<PackageList, ClientError> {
        let answer =
            in_time(&self.address, &self.complaint, self.service.list_packages(proto::ListPackagesRequest {})).await?;
        self.understood(answer.packages.unwrap_or_default().try_into())
    }

    /// Starts a session; tracing is under way when this returns.
    ///
    /// # Errors
    ///
    /// When the daemon refuses, or is gone.
    pub async fn start_session(&mut self, wish: &SessionWish) -> Result<StartedSession, ClientError> {
        let request = proto::StartSessionRequest {
            selection: Some((&wish.selection).into()),
            label: wish.label.clone(),
            initial_phase: wish.initial_phase.as_ref().map_or_else(String::new, ToString::to_string),
            keep_raw: wish.keep_raw,
            limits: Some(proto::SessionLimits {
                unread_ms: wish.unread.map_or(0, |unread| u64::try_from(unread.as_millis()).unwrap_or(u64::MAX)),
                events: wish.events.unwrap_or(0),
                bytes: wish.bytes.unwrap_or(0),
                ..proto::SessionLimits::default()
            }),
            owned: wish.owned,
            await_packages: wish.await_packages,
        };
        let answer = in_time(&self.address, &self.complaint, self.service.start_session(request)).await?;
        let header = self.understood(answer.header.unwrap_or_default().try_into())?;
        let (raw_capture_path, owner_token) = (answer.raw_capture_path, answer.owner_token);
        if wish.owned {
            self.own(owner_token.clone());
        }
        Ok(StartedSession { header, raw_capture_path, owner_token })
    }

    /// Shows this owner's token with each mark and stop from now on.
    pub fn own(&mut self, owner_token: String) {
        self.owner_token = owner_token;
    }

    /// Stops a session.
    ///
    /// # Errors
    ///
    /// When there is no such session, or the daemon is gone.
    pub async fn stop_session(&mut self, session_id: &str) -> Result<(), ClientError> {
        let request =
            proto::StopSessionRequest { session_id: session_id.to_owned(), owner_token: self.owner_token.clone() };
        in_time(&self.address, &self.complaint, self.service.stop_session(request)).await?;
        Ok(())
    }

    /// Lists sessions, oldest first.
    ///
    /// # Errors
    ///
    /// When the daemon is gone.
    pub async fn sessions(&mut self) -> Result<Vec<SessionRow>, ClientError> {
        let answer =
            in_time(&self.address, &self.complaint, self.service.list_sessions(proto::ListSessionsRequest {})).await?;
        self.understood(answer.sessions.into_iter().map(SessionRow::try_from).collect())
    }

    /// Marks the beginning of a phase; the answer is its boot time in nanoseconds.
    ///
    /// # Errors
    ///
    /// When there is no such session, it has ended, or the daemon is gone.
    pub async fn mark_phase(&mut self, session_id: &str, phase: &Phase, note: &str) -> Result<u64, ClientError> {
        let request = proto::MarkPhaseRequest {
            session_id: session_id.to_owned(),
            phase: phase.to_string(),
            note: note.to_owned(),
            owner_token: self.owner_token.clone(),
        };
        Ok(in_time(&self.address, &self.complaint, self.service.mark_phase(request)).await?.time_ns)
    }

    /// Streams a session from its beginning.
    ///
    /// # Errors
    ///
    /// When there is no such session, or the daemon is gone.
    pub async fn stream(&mut self, session_id: &str) -> Result<EventStream, ClientError> {
        self.stream_from(session_id, 0).await
    }

    /// Streams a session from an event on; 0 and 1 mean from the beginning.
    ///
    /// # Errors
    ///
    /// When there is no such session, it has no event before that one, or the daemon is gone.
    pub async fn stream_from(&mut self, session_id: &str, from_sequence: u64) -> Result<EventStream, ClientError> {
        self.stream_with(session_id, &StreamWish { from_sequence, ..StreamWish::default() }).await
    }

    /// Streams a session in the manner of the client's choice.
    ///
    /// # Errors
    ///
    /// When there is no such session, the daemon refuses the wish, or is gone.
    pub async fn stream_with(&mut self, session_id: &str, wish: &StreamWish) -> Result<EventStream, ClientError> {
        let request = proto::StreamEventsRequest {
            session_id: session_id.to_owned(),
            from_sequence: wish.from_sequence,
            filter: (!wish.filter.is_empty()).then(|| (&wish.filter).into()),
            when_slow: if wish.drop_when_slow { proto::SlowPolicy::Drop } else { proto::SlowPolicy::WaitOnSpool }
                .into(),
            queue_events: 0,
            detail: if wish.light { proto::Detail::Light } else { proto::Detail::Full }.into(),
        };
        let stream = in_time(&self.address, &self.complaint, self.service.stream_events(request)).await?;
        Ok(EventStream { stream, address: self.address.clone() })
    }

    /// Watches a session for conditions, and ends after `most_matches` of them; 0: with the session.
    ///
    /// # Errors
    ///
    /// When there is no such session, the daemon refuses a condition, or is gone.
    pub async fn watch(
        &mut self,
        session_id: &str,
        conditions: &[WatchCondition],
        from_now: bool,
        most_matches: u64,
    ) -> Result<NewsStream, ClientError> {
        let request = proto::WatchRequest {
            session_id: session_id.to_owned(),
            from_sequence: 0,
            from_now,
            conditions: conditions.iter().map(Into::into).collect(),
            most_matches,
        };
        let stream = in_time(&self.address, &self.complaint, self.service.watch(request)).await?;
        Ok(NewsStream { stream, address: self.address.clone() })
    }

    /// The error of a daemon that went away.
    pub(super) fn gone(&self, detail: &str) -> ClientError {
        ClientError::Gone { address: self.address.clone(), detail: detail.to_owned() }
    }

    fn understood<T>(&self, answer: Result<T, WireError>) -> Result<T, ClientError> {
        answer.map_err(|source| ClientError::Answer { address: self.address.clone(), source })
    }
}

/// The answer of a call, or why there is none.
async fn in_time<T>(
    address: &Address,
    complaint: &Complaint,
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, ClientError> {
    match tokio::time::timeout(ANSWER_DEADLINE, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(ClientError::status(address, &status).or_complaint(complaint)),
        Err(_elapsed) => Err(ClientError::Gone {
            address: address.clone(),
            detail: format!("no answer within {} s", ANSWER_DEADLINE.as_secs()),
        }),
    }
}

/// The messages of one session, as they come.
#[derive(Debug)]
pub struct EventStream {
    stream: tonic::Streaming<proto::StreamEventsResponse>,
    address: Address,
}

impl EventStream {
    /// The next message, or nothing when the daemon closed the stream. Cancelling it loses nothing.
    ///
    /// # Errors
    ///
    /// When the connection broke.
    pub async fn next(&mut self) -> Result<Option<proto::StreamEventsResponse>, ClientError> {
        self.stream.message().await.map_err(|status| ClientError::status(&self.address, &status))
    }
}

/// What a watch tells, as it comes.
#[derive(Debug)]
pub struct NewsStream {
    stream: tonic::Streaming<proto::WatchResponse>,
    address: Address,
}

impl NewsStream {
    /// The next thing that is told, or nothing when the daemon closed the stream. Cancelling it loses nothing.
    ///
    /// # Errors
    ///
    /// When the connection broke, or what is told is not understood.
    pub async fn next(&mut self) -> Result<Option<WatchNews>, ClientError> {
        let message = self.stream.message().await.map_err(|status| ClientError::status(&self.address, &status))?;
        let news = message.map(WatchNews::try_from).transpose();
        news.map_err(|source| ClientError::Answer { address: self.address.clone(), source })
    }
}
