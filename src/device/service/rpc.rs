//! The methods of `candor.v1.CandorService`.

use std::sync::Arc;
use std::time::Duration;

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::access::Access;
use super::batches::Manner;
use super::status::{session_status, wire_status};
use super::{batches, queries, watches};
use crate::device::event_bus::SpoolState;
use crate::device::session::{
    SessionAccount, SessionError, SessionLimits, SessionManager, SessionSummary, StartRequest,
};
use crate::device::{clock, own_process};
use crate::event::{Phase, Selection};
use crate::wire::proto;
use crate::wire::proto::candor_service_server::CandorService;

pub(super) struct Rpc {
    pub(super) sessions: SessionManager,
    pub(super) access: Arc<Access>,
}

#[tonic::async_trait]
impl CandorService for Rpc {
    type StreamEventsStream = ReceiverStream<Result<proto::StreamEventsResponse, Status>>;

    async fn get_device(
        &self,
        _request: Request<proto::GetDeviceRequest>,
    ) -> Result<Response<proto::GetDeviceResponse>, Status> {
        Ok(Response::new(proto::GetDeviceResponse {
            device: Some(self.sessions.device().into()),
            probes: self.sessions.statuses().iter().map(Into::into).collect(),
            now: Some((&clock::anchor()).into()),
        }))
    }

    #[tracing::instrument(level = "debug", skip_all, err(Display, level = "debug"))]
    async fn list_packages(
        &self,
        _request: Request<proto::ListPackagesRequest>,
    ) -> Result<Response<proto::ListPackagesResponse>, Status> {
        let sessions = self.sessions.clone();
        off_the_runtime(move || Ok(proto::ListPackagesResponse { packages: Some((&sessions.packages()).into()) })).await
    }

    #[tracing::instrument(level = "debug", skip_all, err(Display, level = "debug"))]
    async fn start_session(
        &self,
        request: Request<proto::StartSessionRequest>,
    ) -> Result<Response<proto::StartSessionResponse>, Status> {
        let proto::StartSessionRequest { selection, label, initial_phase, keep_raw, limits, owned, await_packages } =
            request.into_inner();
        // An absent selection is an empty one: the session refuses it, or, in a replay, does not look at it.
        let selection = Selection::try_from(selection.unwrap_or_default()).map_err(|error| wire_status(&error))?;
        let initial_phase = if initial_phase.is_empty() { Phase::unmarked() } else { phase(initial_phase)? };
        let request = StartRequest {
            selection,
            label,
            initial_phase,
            keep_raw,
            limits: limits.map(self::limits).unwrap_or_default(),
            owned,
            await_packages,
        };
        let started = self.sessions.start_session(request).await.map_err(|error| session_status(&error))?;
        Ok(Response::new(proto::StartSessionResponse {
            header: Some((&started.header).into()),
            raw_capture_path: started
                .raw_capture_path
                .map(|path| path.to_string_lossy().into_owned())
                .unwrap_or_default(),
            owner_token: started.owner_token.unwrap_or_default(),
        }))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(session = request.get_ref().session_id), err(Display, level = "debug"))]
    async fn stop_session(
        &self,
        request: Request<proto::StopSessionRequest>,
    ) -> Result<Response<proto::StopSessionResponse>, Status> {
        let proto::StopSessionRequest { session_id, owner_token } = request.into_inner();
        let stopped = self.sessions.stop_session(&session_id, &owner_token).await;
        let end = stopped.map_err(|error| session_status(&error))?;
        Ok(Response::new(proto::StopSessionResponse { end: Some((&end).into()) }))
    }

    async fn list_sessions(
        &self,
        _request: Request<proto::ListSessionsRequest>,
    ) -> Result<Response<proto::ListSessionsResponse>, Status> {
        let sessions = self.sessions.list().into_iter().map(summary).collect();
        Ok(Response::new(proto::ListSessionsResponse { sessions }))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(session = request.get_ref().session_id), err(Display, level = "debug"))]
    async fn stream_events(
        &self,
        request: Request<proto::StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let proto::StreamEventsRequest { session_id, from_sequence, filter, when_slow, queue_events, detail } =
            request.into_inner();
        let manner = Manner::of(when_slow, queue_events, detail)?;
        let filter = queries::filter(filter)?;
        let subscription =
            self.sessions.subscribe(&session_id, from_sequence, filter).map_err(|error| session_status(&error))?;
        Ok(Response::new(batches::stream(subscription, manner)))
    }

    type WatchStream = ReceiverStream<Result<proto::WatchResponse, Status>>;

    #[tracing::instrument(level = "debug", skip_all, fields(session = request.get_ref().session_id), err(Display, level = "debug"))]
    async fn watch(&self, request: Request<proto::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(watches::watch(&self.sessions, request.into_inner())?))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(session = request.get_ref().session_id), err(Display, level = "debug"))]
    async fn query_events(
        &self,
        request: Request<proto::QueryEventsRequest>,
    ) -> Result<Response<proto::QueryEventsResponse>, Status> {
        let sessions = self.sessions.clone();
        off_the_runtime(move || queries::page(&sessions, request.into_inner())).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(session = request.get_ref().session_id), err(Display, level = "debug"))]
    async fn summarize(
        &self,
        request: Request<proto::SummarizeRequest>,
    ) -> Result<Response<proto::SummarizeResponse>, Status> {
        let sessions = self.sessions.clone();
        off_the_runtime(move || queries::summary(&sessions, request.into_inner())).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(session = request.get_ref().session_id, phase = request.get_ref().phase), err(Display, level = "debug"))]
    async fn mark_phase(
        &self,
        request: Request<proto::MarkPhaseRequest>,
    ) -> Result<Response<proto::MarkPhaseResponse>, Status> {
        let proto::MarkPhaseRequest { session_id, phase: name, note, owner_token } = request.into_inner();
        let phase = phase(name)?;
        let marked = self.sessions.mark_phase(&session_id, &phase, &note, &owner_token);
        let time_ns = marked.map_err(|error| session_status(&error))?;
        Ok(Response::new(proto::MarkPhaseResponse { time_ns }))
    }

    async fn get_status(
        &self,
        _request: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::GetStatusResponse>, Status> {
        let sessions = self.sessions.accounts().into_iter().map(session_account).collect();
        let daemon = own_process::status().map(|own| proto::DaemonStatus {
            resident_bytes: own.resident_bytes,
            peak_resident_bytes: own.peak_resident_bytes,
            processor_ms: own.processor_ms,
            running_ms: own.running_ms,
        });
        Ok(Response::new(proto::GetStatusResponse { access: Some(self.access.status()), sessions, daemon }))
    }
}

/// Answers on a thread that serves no other call, because it takes long or reads files.
async fn off_the_runtime<T: Send + 'static>(
    answer: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<Response<T>, Status> {
    let answered = tokio::task::spawn_blocking(answer).await;
    answered.map_err(|error| Status::internal(format!("the call did not finish: {error}")))?.map(Response::new)
}

fn limits(message: proto::SessionLimits) -> SessionLimits {
    let proto::SessionLimits { duration_ms, events, unread_ms, bytes } = message;
    let time = |milliseconds| (milliseconds > 0).then(|| Duration::from_millis(milliseconds));
    let count = |count| (count > 0).then_some(count);
    SessionLimits { duration: time(duration_ms), events: count(events), bytes: count(bytes), unread: time(unread_ms) }
}

fn phase(name: String) -> Result<Phase, Status> {
    Phase::try_from(name).map_err(|error| session_status(&SessionError::Phase(error)))
}

fn summary(session: SessionSummary) -> proto::SessionSummary {
    proto::SessionSummary {
        session_id: session.session_id,
        label: session.label,
        started: Some((&session.started).into()),
        selection: Some((&session.selection).into()),
        phase: session.phase.into(),
        events: session.events,
        dropped: session.dropped,
        end: session.end.as_ref().map(Into::into),
        owned: session.owned,
        spooled_bytes: session.spooled_bytes,
        spool_bytes: session.spool.file_bytes.unwrap_or(0),
        first_held_sequence: session.spool.first_held_sequence,
    }
}

fn session_account(account: SessionAccount) -> proto::SessionStatus {
    let SessionAccount { session_id, totals, spool, subscribers } = account;
    let SpoolState { memory_bytes, file_bytes, segments, first_held_sequence, trouble, write_failures } = spool;
    proto::SessionStatus {
        session_id,
        totals: Some((&totals).into()),
        spool: Some(proto::SpoolStatus {
            memory_bytes,
            file_bytes,
            segments,
            first_held_sequence,
            trouble,
            write_failures,
        }),
        subscribers: u32::try_from(subscribers).unwrap_or(u32::MAX),
    }
}
