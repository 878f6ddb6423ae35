//! What device this is.
//!
//! * **In:** `uname`, and a few files under a root directory. **Out:** a [`DeviceInfo`].
//! * **May import:** `event`, `nix`.
//! * **Test it:** `cargo test device::device_info`.

use std::fs;
use std::path::Path;

use nix::sys::utsname::uname;

use crate::event::DeviceInfo;

/// Describes the device whose files are under `root` (`/`, except in tests). What cannot be read stays empty.
#[must_use]
pub fn read(root: &Path) -> DeviceInfo {
    let mut info = DeviceInfo {
        daemon_version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: first_line(&root.join("proc/sys/kernel/random/boot_id")).unwrap_or_default(),
        kernel_btf: root.join("sys/kernel/btf/vmlinux").exists(),
        ..DeviceInfo::default()
    };
    let model = fs::read_to_string(root.join("system/build.prop")).ok().and_then(|text| product_model(&text));
    match uname() {
        Ok(uname) => {
            info.kernel_release = uname.release().to_string_lossy().into_owned();
            info.architecture = uname.machine().to_string_lossy().into_owned();
            info.name = model.unwrap_or_else(|| uname.nodename().to_string_lossy().into_owned());
        }
        Err(error) => {
            tracing::warn!(%error, "uname failed");
            info.name = model.unwrap_or_default();
        }
    }
    info
}

fn first_line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}

/// The model in the text of Android's `build.prop`; newer releases use the second name.
fn product_model(properties: &str) -> Option<String> {
    ["ro.product.model=", "ro.product.system.model="].iter().find_map(|name| {
        let value = properties.lines().find_map(|line| line.trim().strip_prefix(name))?;
        (!value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_android_device_has_its_model_as_name() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/sys/kernel/random")).unwrap();
        fs::create_dir_all(root.path().join("sys/kernel/btf")).unwrap();
        fs::create_dir_all(root.path().join("system")).unwrap();
        fs::write(root.path().join("proc/sys/kernel/random/boot_id"), "0d4c-1\n").unwrap();
        fs::write(root.path().join("sys/kernel/btf/vmlinux"), "").unwrap();
        fs::write(root.path().join("system/build.prop"), "# x\nro.product.system.model=Pixel 8\n").unwrap();
        let info = read(root.path());
        assert_eq!((info.boot_id.as_str(), info.name.as_str(), info.kernel_btf), ("0d4c-1", "Pixel 8", true));
        assert!(!info.kernel_release.is_empty() && !info.architecture.is_empty());

        let elsewhere = tempfile::tempdir().unwrap();
        let info = read(elsewhere.path());
        assert_eq!((info.boot_id.as_str(), info.kernel_btf), ("", false));
        assert!(!info.name.is_empty(), "the host name");
    }
}
