//! Which exit status each error of a stage means.

use tonic::Code;

use super::{CommandError, Exit};
use crate::credential_files::CredentialFileError;
use crate::host::client::{ClientError, CredentialsError};
use crate::host::recording::{ImportError, RecordingError};

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            ClientError::NothingListens { .. }
            | ClientError::Connect { .. }
            | ClientError::NotADaemon { .. }
            | ClientError::Gone { .. }
            | ClientError::Answer { .. } => Exit::Unavailable,
            ClientError::NotPermitted { .. } | ClientError::NotTrusted { .. } | ClientError::NotAdmitted { .. } => {
                Exit::NoPermission
            }
            ClientError::Credentials { source, .. } => match source {
                CredentialsError::NoAuthority | CredentialsError::HalfAPair => Exit::Usage,
                CredentialsError::File(CredentialFileError::Read { .. }) => Exit::NoInput,
                CredentialsError::File(CredentialFileError::Exposed { .. }) => Exit::NoPermission,
                CredentialsError::File(CredentialFileError::Content { .. }) => Exit::BadData,
            },
            ClientError::Refused { code, .. } => match code {
                Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::OutOfRange => Exit::Usage,
                Code::PermissionDenied | Code::Unauthenticated => Exit::NoPermission,
                Code::Internal | Code::DataLoss => Exit::Internal,
                _ => Exit::Unavailable,
            },
        };
        Self::new(exit, error.to_string())
    }
}

impl From<RecordingError> for CommandError {
    fn from(error: RecordingError) -> Self {
        let exit = match &error {
            RecordingError::Exists { .. } | RecordingError::Create { .. } => Exit::CannotCreate,
            RecordingError::Write { .. } => Exit::InputOutput,
            RecordingError::Open { .. } => Exit::NoInput,
            RecordingError::NotARecording { .. } | RecordingError::UnknownFormat { .. } => Exit::BadData,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        Self::new(Exit::BadData, error.to_string())
    }
}
