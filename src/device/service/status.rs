//! The one table of gRPC error codes.

use tonic::{Code, Status};

use crate::device::session::SessionError;
use crate::wire::WireError;

/// The code of each error; the comments in `candor_service.proto` promise them.
pub(super) fn code(error: &SessionError) -> Code {
    match error {
        SessionError::NotFound(_) => Code::NotFound,
        SessionError::Selection(_)
        | SessionError::NoSuchProcess(_)
        | SessionError::UnknownPackage { .. }
        | SessionError::Phase(_)
        | SessionError::Filter(_)
        | SessionError::Watch(_)
        | SessionError::TooLong { .. } => Code::InvalidArgument,
        SessionError::NoProbe(_)
        | SessionError::Ended(_)
        | SessionError::NoCaptureDirectory
        | SessionError::AlreadyReplayed(_)
        | SessionError::Replayed(_) => Code::FailedPrecondition,
        SessionError::TooManySessions { .. } => Code::ResourceExhausted,
        SessionError::NotOwner { .. } => Code::PermissionDenied,
        SessionError::OutOfRange(_) => Code::OutOfRange,
        SessionError::ShuttingDown => Code::Unavailable,
        SessionError::NoRandomNumbers(_) | SessionError::Capture { .. } | SessionError::Broken(_) => Code::Internal,
    }
}

/// The status of an error.
pub(super) fn session_status(error: &SessionError) -> Status {
    Status::new(code(error), error.to_string())
}

/// A request that has no meaning.
pub(super) fn wire_status(error: &WireError) -> Status {
    Status::invalid_argument(error.to_string())
}
