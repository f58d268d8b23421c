//! Kernel settings of a network namespace (`net.*`).

use crate::{
    error::{Cause, During, Error},
    namespace::Namespace,
};
use std::path::PathBuf;

/// Sets a setting of the network (`net.…`). A dot separates, as in sysctl(8); an interface's name that contains dots is
/// written with slashes throughout: `net/ipv4/conf/eth0.7/forwarding`.
pub fn write(namespace: &Namespace, name: &str, value: &str) -> Result<(), Error> {
    let path = path(name).during("set sysctl", name)?;
    namespace.run(|| std::fs::write(path, value))?.during("set sysctl", name)
}

/// Reads a setting, without its line end.
pub fn read(namespace: &Namespace, name: &str) -> Result<String, Error> {
    let path = path(name).during("read sysctl", name)?;
    let text = namespace.run(|| std::fs::read_to_string(path))?.during("read sysctl", name)?;
    Ok(text.trim_end().to_owned())
}

/// `/proc/sys/net` shows each thread the settings of its own namespace.
fn path(name: &str) -> Result<PathBuf, Cause> {
    let separator = if name.contains('/') { '/' } else { '.' };
    let parts: Vec<&str> = name.split(separator).collect();
    let fine = |part: &&str| !matches!(*part, "" | "." | "..") && !part.contains(['/', '\0']);
    if parts.len() < 2 || parts[0] != "net" || !parts.iter().all(fine) {
        return Err(Cause::Invalid("not the name of a network setting, such as net.ipv4.ip_forward".to_owned()));
    }
    Ok(PathBuf::from("/proc/sys").join(parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_belongs_to_its_namespace() {
        let (here, there) = (Namespace::anonymous().unwrap(), Namespace::anonymous().unwrap());
        write(&here, "net.ipv4.ip_forward", "1").unwrap();
        write(&there, "net.ipv4.ip_forward", "0").unwrap();
        assert_eq!(read(&here, "net.ipv4.ip_forward").unwrap(), "1");
        assert_eq!(read(&there, "net/ipv4/ip_forward").unwrap(), "0");
    }

    #[test]
    fn names_cannot_leave_the_networks_settings() {
        let namespace = Namespace::anonymous().unwrap();
        for name in ["kernel.hostname", "net", "net/../kernel/hostname", "net..ipv4", "", "/net/ipv4", "net/ipv4/\0"] {
            let error = write(&namespace, name, "x").unwrap_err();
            assert!(matches!(error.cause, Cause::Invalid(_)), "{name:?}: {error}");
        }
        let error = read(&namespace, "net.ipv4.no_such_setting").unwrap_err();
        assert!(error.is_not_found(), "{error}");
    }
}
