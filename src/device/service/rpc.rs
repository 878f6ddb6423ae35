//! The methods of `candor.v1.CandorService`.

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::batches;
use super::status::{session_status, wire_status};
use crate::device::clock;
use crate::device::session::{SessionError, SessionManager, SessionSummary, StartRequest};
use crate::event::{Phase, Selection};
use crate::wire::proto;
use crate::wire::proto::candor_service_server::CandorService;

pub(super) struct Rpc {
    pub(super) sessions: SessionManager,
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

    async fn list_packages(
        &self,
        _request: Request<proto::ListPackagesRequest>,
    ) -> Result<Response<proto::ListPackagesResponse>, Status> {
        // Reads a file: not on a thread that serves other calls.
        let sessions = self.sessions.clone();
        let packages = tokio::task::spawn_blocking(move || sessions.packages())
            .await
            .map_err(|error| Status::internal(format!("the list of packages was not read: {error}")))?;
        Ok(Response::new(proto::ListPackagesResponse { packages: Some((&packages).into()) }))
    }

    async fn start_session(
        &self,
        request: Request<proto::StartSessionRequest>,
    ) -> Result<Response<proto::StartSessionResponse>, Status> {
        let proto::StartSessionRequest { selection, label, initial_phase, keep_raw } = request.into_inner();
        // An absent selection is an empty one: the session refuses it, or, in a replay, does not look at it.
        let selection = Selection::try_from(selection.unwrap_or_default()).map_err(|error| wire_status(&error))?;
        let initial_phase = if initial_phase.is_empty() { Phase::unmarked() } else { phase(initial_phase)? };
        let request = StartRequest { selection, label, initial_phase, keep_raw };
        let started = self.sessions.start_session(request).await.map_err(|error| session_status(&error))?;
        Ok(Response::new(proto::StartSessionResponse {
            header: Some((&started.header).into()),
            raw_capture_path: started
                .raw_capture_path
                .map(|path| path.to_string_lossy().into_owned())
                .unwrap_or_default(),
        }))
    }

    async fn stop_session(
        &self,
        request: Request<proto::StopSessionRequest>,
    ) -> Result<Response<proto::StopSessionResponse>, Status> {
        let session_id = request.into_inner().session_id;
        let end = self.sessions.stop_session(&session_id).await.map_err(|error| session_status(&error))?;
        Ok(Response::new(proto::StopSessionResponse { end: Some((&end).into()) }))
    }

    async fn list_sessions(
        &self,
        _request: Request<proto::ListSessionsRequest>,
    ) -> Result<Response<proto::ListSessionsResponse>, Status> {
        let sessions = self.sessions.list().into_iter().map(summary).collect();
        Ok(Response::new(proto::ListSessionsResponse { sessions }))
    }

    async fn stream_events(
        &self,
        request: Request<proto::StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let proto::StreamEventsRequest { session_id, from_sequence } = request.into_inner();
        let subscription =
            self.sessions.subscribe(&session_id, from_sequence).map_err(|error| session_status(&error))?;
        Ok(Response::new(batches::stream(subscription)))
    }

    async fn mark_phase(
        &self,
        request: Request<proto::MarkPhaseRequest>,
    ) -> Result<Response<proto::MarkPhaseResponse>, Status> {
        let proto::MarkPhaseRequest { session_id, phase: name, note } = request.into_inner();
        let phase = phase(name)?;
        let time_ns = self.sessions.mark_phase(&session_id, &phase, &note).map_err(|error| session_status(&error))?;
        Ok(Response::new(proto::MarkPhaseResponse { time_ns }))
    }
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
    }
}
