//! Is the gateway there, is it well, what can it see.
