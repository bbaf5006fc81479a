//! The flow: observe, cycle, ticker, daemon.
