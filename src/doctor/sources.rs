//! What sources find while they read. Listed so that `--only`, `--skip` and the documentation know the ids.

use super::Check;

pub(super) const CHECKS: &[Check] = &[];
