//! The eBPF probe against real programs on the running kernel.
#![cfg(feature = "ebpf")]

mod ebpf_support;

use candor::device::probe::ebpf::EbpfChoice;
use candor::device::probe::ebpf::shared_layout::{file_open_body, record_kind, segment_tag};
use ebpf_support::{Fixture, Gated};

#[test]
#[ignore = "needs root and eBPF: run by scripts/test"]
fn opened_files_have_the_path_of_the_kernel_object() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real.txt");
    std::fs::write(&real, "hello").unwrap();
    std::os::unix::fs::symlink(&real, directory.path().join("link")).unwrap();
    let mut fixture = Fixture::open(EbpfChoice::KernelObjects);
    let mut child = Gated::python(&format!("os.chdir({:?})\nos.open('link', os.O_RDONLY)", directory.path()));
    let pid = child.pid();
    fixture.select_trees(&[pid]);
    child.release();
    let record = fixture.expect("open of the link", |record| {
        record.kind() == record_kind::FILE_OPEN && record.text(segment_tag::ARGUMENT) == "link"
    });
    assert_eq!(record.path(), real.to_str().unwrap());
    assert_eq!(record.header().tgid, pid);
    assert!(record.i64(file_open_body::RESULT) >= 0);
    assert_ne!(record.u64(file_open_body::INODE), 0);
}
