//! `GET /metrics` (Prometheus text format) and the process's own figures.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Installs the process-wide recorder.
///
/// # Errors
/// When one is installed already.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_seconds".into()),
            &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
        )?
        .set_buckets_for_metric(Matcher::Suffix("_mos".into()), &[1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 3.75, 4.0, 4.25, 4.5])?
        .install_recorder()?;
    metrics::describe_gauge!("bedside_process_cpu_seconds_total", "CPU time of this process, user and system.");
    metrics::describe_gauge!("bedside_process_resident_bytes", "Resident memory of this process.");
    metrics::describe_counter!("bedside_sfu_packets_forwarded_total", "RTP packets sent to receivers.");
    metrics::describe_counter!(
        "bedside_sfu_datagrams_received_total",
        "Datagrams, and packets by TCP, received on media ports."
    );
    metrics::describe_counter!(
        "bedside_sfu_datagrams_refused_total",
        "Datagrams of nobody we know, or that failed a guard."
    );
    metrics::describe_counter!(
        "bedside_sfu_packets_withheld_total",
        "RTP packets of people who were not admitted; forwarded to nobody."
    );
    metrics::describe_gauge!(
        "bedside_sfu_tcp_connections",
        "Connections that carry media by TCP, or have yet to prove whose they are."
    );
    metrics::describe_counter!(
        "bedside_sfu_tcp_refused_total",
        "TCP connections on media ports beyond a limit, or that did not prove in time whose they are."
    );
    metrics::describe_gauge!("bedside_turn_allocations", "Addresses that the TURN relay lends now.");
    metrics::describe_counter!("bedside_turn_refused_total", "Requests that the TURN relay refused, by reason.");
    metrics::describe_counter!("bedside_sfu_cpu_microseconds_total", "CPU time of the media worker threads.");
    Ok(handle)
}

/// Refreshes what is read rather than counted here: the media workers' totals and the process's own figures.
pub fn observe(sfu: &sfu::Counters) {
    metrics::counter!("bedside_sfu_datagrams_received_total").absolute(sfu.packets_in);
    metrics::counter!("bedside_sfu_datagrams_sent_total").absolute(sfu.packets_out);
    metrics::counter!("bedside_sfu_received_bytes_total").absolute(sfu.bytes_in);
    metrics::counter!("bedside_sfu_sent_bytes_total").absolute(sfu.bytes_out);
    metrics::counter!("bedside_sfu_packets_forwarded_total").absolute(sfu.forwarded);
    metrics::counter!("bedside_sfu_packets_withheld_total").absolute(sfu.dropped_not_admitted);
    metrics::counter!("bedside_sfu_datagrams_refused_total").absolute(sfu.dropped_foreign);
    metrics::counter!("bedside_sfu_datagrams_unsent_total").absolute(sfu.dropped_send);
    metrics::counter!("bedside_recorder_packets_dropped_total").absolute(sfu.dropped_tap);
    metrics::counter!("bedside_sfu_nacks_received_total").absolute(sfu.nacks);
    metrics::counter!("bedside_sfu_keyframe_requests_total").absolute(sfu.plis);
    metrics::gauge!("bedside_sfu_tcp_connections").set(sfu.streams as f64);
    metrics::counter!("bedside_sfu_tcp_refused_total").absolute(sfu.streams_refused);
    metrics::gauge!("bedside_sfu_rooms").set(sfu.rooms as f64);
    metrics::gauge!("bedside_sfu_peers").set(sfu.peers as f64);
    metrics::counter!("bedside_sfu_cpu_microseconds_total").absolute(sfu.cpu_us);
    observe_process();
}

/// Refreshes the relay's totals.
pub fn observe_relay(relay: &sfu::turn::TurnCounters) {
    metrics::gauge!("bedside_turn_allocations").set(relay.allocations as f64);
    metrics::counter!("bedside_turn_allocated_total").absolute(relay.allocated);
    metrics::counter!("bedside_turn_refused_total", "reason" => "credentials").absolute(relay.refused_credentials);
    metrics::counter!("bedside_turn_refused_total", "reason" => "quota").absolute(relay.refused_quota);
    metrics::counter!("bedside_turn_refused_total", "reason" => "forbidden").absolute(relay.forbidden);
    metrics::counter!("bedside_turn_packets_total", "to" => "media").absolute(relay.packets_to_media);
    metrics::counter!("bedside_turn_packets_total", "to" => "clients").absolute(relay.packets_to_clients);
    metrics::counter!("bedside_turn_packets_dropped_total").absolute(relay.dropped);
}

fn observe_process() {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    metrics::gauge!("bedside_process_cpu_seconds_total").set(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
    if let Some(bytes) = resident_bytes() {
        metrics::gauge!("bedside_process_resident_bytes").set(bytes);
    }
}

fn resident_bytes() -> Option<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u32 = statm.split_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: asks for a constant of the system.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(f64::from(pages) * page as f64)
}
