//! Which app a process is: user ids and packages from `/data/system/packages.list`, and becoming an app.

use anyhow::{Context, Result, bail};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Where Android keeps the packages and their user ids.
const PACKAGES: &str = "/data/system/packages.list";
/// Set in a process that has become its app, so that it does not try again. It holds the packages, because apps cannot read
/// the file: `NAME UID` and a semicolon for each.
const BECOME: &str = "BINDER_WORLD_PACKAGES";

/// The packages of the device: name and user id, in the order of the file.
///
/// # Errors
/// When the file cannot be read.
pub fn packages() -> Result<Vec<(String, u32)>> {
    let text = match std::env::var(BECOME) {
        Ok(handed) => handed.replace(';', "\n"),
        Err(_) => std::fs::read_to_string(PACKAGES).with_context(|| format!("reading {PACKAGES}"))?,
    };
    let parse = |line: &str| {
        let mut fields = line.split(' ');
        Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
    };
    Ok(text.lines().filter_map(parse).collect())
}

/// Goes on as `package` when this is root; otherwise this only names the process.
///
/// Root becomes the package by executing this program again under its user id: a static program that changes its user id
/// and goes on cannot read its own auxiliary vector on kernels before 6.4, and rustix needs that.
///
/// # Errors
/// When the package is unknown or the program cannot be executed again.
pub fn become_package(package: &str, process_name: &str) -> Result<()> {
    if std::env::var_os(BECOME).is_none() && rustix::process::geteuid().is_root() {
        // The file is not readable for apps, so it is read here.
        let known = packages()?;
        let Some((_, uid)) = known.iter().find(|(name, _)| name == package) else {
            bail!("{PACKAGES} has no package {package}");
        };
        let handed: String = known.iter().map(|(name, uid)| format!("{name} {uid};")).collect();
        become_user(*uid, process_name, &format!("/data/user/0/{package}"), &handed)?;
    }
    // As on Android: the last 15 bytes of the process's name.
    let short = process_name.get(process_name.len().saturating_sub(15)..).unwrap_or(process_name);
    std::fs::write("/proc/self/comm", short).context("naming the process")
}

fn become_user(uid: u32, process_name: &str, directory: &str, packages: &str) -> Result<()> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = Command::new(program);
    command.arg0(process_name).args(std::env::args_os().skip(1)).env(BECOME, packages).uid(uid).gid(uid);
    if Path::new(directory).is_dir() {
        command.current_dir(directory);
    }
    Err(command.exec()).with_context(|| format!("executing this program as user id {uid}"))
}

/// The user id of this process.
pub fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
