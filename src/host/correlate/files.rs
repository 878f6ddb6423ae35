//! Files that tell of data, what was read of them, and commands that print it.

use super::correlator::{Correlator, DataKey, Effect};
use super::limits;
use crate::event::{Event, FileOpen, FileTotals, ProcessExec, ProcessKey};
use crate::host::ontology::TypeId;

impl Correlator<'_> {
    /// A file was opened; `types` is what its path tells of, when it was opened for reading.
    pub(super) fn file_open(&mut self, event: &Event, open: &FileOpen, types: &[TypeId]) {
        if types.is_empty() {
            return;
        }
        let effect = Effect::of(event.outcome);
        let keys = self.read(event, types, effect, &open.path);
        if effect == Effect::Done && open.handle != 0 {
            self.follow_file(event.process.key, open.handle, keys, 0);
        }
    }

    fn follow_file(&mut self, process: ProcessKey, handle: u64, keys: Vec<DataKey>, bytes: u64) {
        if self.open_files.len() < limits::OPEN_FILES {
            self.open_files.insert((process, handle), (keys, bytes));
        } else {
            self.coverage.overflow("open files of interest");
        }
    }

    /// Totals of a file; `types` is what its path tells of, when something was read.
    pub(super) fn file_totals(&mut self, event: &Event, totals: &FileTotals, types: &[TypeId]) {
        let file = (event.process.key, totals.handle);
        if let Some((keys, counted)) = self.open_files.get_mut(&file) {
            let more = totals.bytes_read.saturating_sub(*counted);
            *counted = (*counted).max(totals.bytes_read);
            for key in keys.iter() {
                if let Some(tally) = self.data.get_mut(key) {
                    tally.bytes_in = tally.bytes_in.saturating_add(more);
                }
            }
            if totals.closed {
                self.open_files.remove(&file);
            }
            return;
        }
        if types.is_empty() {
            return;
        }
        let keys = self.read(event, types, Effect::Done, &totals.path);
        for key in &keys {
            if let Some(tally) = self.data.get_mut(key) {
                tally.bytes_in = tally.bytes_in.saturating_add(totals.bytes_read);
            }
        }
        if !totals.closed {
            self.follow_file(event.process.key, totals.handle, keys, totals.bytes_read);
        }
    }

    pub(super) fn exec(&mut self, event: &Event, exec: &ProcessExec) {
        let types = self.ontology.data_types.of_command(&exec.path, &exec.arguments);
        if !types.is_empty() {
            let command = if exec.arguments.is_empty() { exec.path.clone() } else { exec.arguments.join(" ") };
            let _ = self.read(event, &types, Effect::of(event.outcome), &command);
        }
    }
}
