//! The names that the gateway asks the login shell for (`env.shellEnv`). The table of provider keys is
//! [`super::provider_env`].

/// Only these are taken over; if one of them is set already, the login shell is not asked at all.
pub const LOGIN_SHELL_KEYS: &[&str] = &[
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_OAUTH_TOKEN",
    "GEMINI_API_KEY",
    "ZAI_API_KEY",
    "OPENROUTER_API_KEY",
    "AI_GATEWAY_API_KEY",
    "MINIMAX_API_KEY",
    "SYNTHETIC_API_KEY",
    "ELEVENLABS_API_KEY",
    "TELEGRAM_BOT_TOKEN",
    "DISCORD_BOT_TOKEN",
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "OPENSOUL_GATEWAY_TOKEN",
    "OPENSOUL_GATEWAY_PASSWORD",
];
