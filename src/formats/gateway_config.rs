//! The gateway's JSON5 config.

/// The parts of the config that matter here.
#[derive(Default)]
pub struct GatewayConfig {}
