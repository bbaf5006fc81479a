//! The `process_*` series that every exporter has, read from `/proc` (also on Android, where the collector of the
//! prometheus crate is not built). What cannot be read is left out.

use std::fs;

use prometheus::proto::{MetricFamily, MetricType};

use super::metrics::{counter, family, gauge, number};

/// `USER_HZ`: fixed at 100 in the interface of Linux, whatever the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time, memory, file descriptors, threads, start.
#[must_use]
pub fn families(started: f64) -> Vec<MetricFamily> {
    let mut out = vec![one("process_start_time_seconds", "When this process started.", Some(started))];
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<f64>().ok())
    };
    out.push(one("process_resident_memory_bytes", "Memory in RAM.", field("VmRSS:").map(|kib| kib * 1024.0)));
    out.push(one("process_virtual_memory_bytes", "Address space.", field("VmSize:").map(|kib| kib * 1024.0)));
    out.push(one("process_threads", "Threads.", field("Threads:")));
    let open = fs::read_dir("/proc/self/fd").ok().map(|dir| number(dir.count().saturating_sub(1)));
    out.push(one("process_open_fds", "Open file descriptors.", open));
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let max =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    out.push(one("process_max_fds", "Most file descriptors that may be open.", max));
    let cpu = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_seconds(&stat));
    let mut total = family("process_cpu_seconds_total", "CPU time used.", MetricType::COUNTER);
    total.set_metric(cpu.map(|v| counter(Vec::new(), v)).into_iter().collect());
    out.push(total);
    out
}

fn one(name: &str, help: &str, value: Option<f64>) -> MetricFamily {
    let mut family = family(name, help, MetricType::GAUGE);
    family.set_metric(value.map(|v| gauge(Vec::new(), v)).into_iter().collect());
    family
}

/// User and system time from a line of `/proc/PID/stat`. The name in brackets may hold anything, blanks and brackets too.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_name_may_contain_brackets_and_blanks() {
        let line = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 100 1 1";
        assert_eq!(cpu_seconds(line), Some(3.0));
        assert_eq!(cpu_seconds("42 (x"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn every_series_is_there_on_linux() {
        assert!(families(1.0).iter().all(|f| f.get_metric().len() == 1));
    }
}
