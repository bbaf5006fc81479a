//! Which environment variables the gateways take for provider keys, first hit wins.

/// Provider → names, in the order in which the gateway looks.
pub const ENV_KEYS: &[(&str, &[&str])] = &[
    ("anthropic", &["ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"]),
    ("cerebras", &["CEREBRAS_API_KEY"]),
    ("chutes", &["CHUTES_OAUTH_TOKEN", "CHUTES_API_KEY"]),
    ("cloudflare-ai-gateway", &["CLOUDFLARE_AI_GATEWAY_API_KEY"]),
    ("deepgram", &["DEEPGRAM_API_KEY"]),
    ("github-copilot", &["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"]),
    ("google", &["GEMINI_API_KEY"]),
    ("groq", &["GROQ_API_KEY"]),
    ("kimi-coding", &["KIMI_API_KEY", "KIMICODE_API_KEY"]),
    ("minimax", &["MINIMAX_API_KEY"]),
    ("minimax-portal", &["MINIMAX_OAUTH_TOKEN", "MINIMAX_API_KEY"]),
    ("mistral", &["MISTRAL_API_KEY"]),
    ("moonshot", &["MOONSHOT_API_KEY"]),
    ("ollama", &["OLLAMA_API_KEY"]),
    ("openai", &["OPENAI_API_KEY"]),
    ("opencode", &["OPENCODE_API_KEY", "OPENCODE_ZEN_API_KEY"]),
    ("openrouter", &["OPENROUTER_API_KEY"]),
    ("qianfan", &["QIANFAN_API_KEY"]),
    ("qwen-portal", &["QWEN_OAUTH_TOKEN", "QWEN_PORTAL_API_KEY"]),
    ("synthetic", &["SYNTHETIC_API_KEY"]),
    ("venice", &["VENICE_API_KEY"]),
    ("vercel-ai-gateway", &["AI_GATEWAY_API_KEY"]),
    ("voyage", &["VOYAGE_API_KEY"]),
    ("xai", &["XAI_API_KEY"]),
    ("xiaomi", &["XIAOMI_API_KEY"]),
    ("zai", &["ZAI_API_KEY", "Z_AI_API_KEY"]),
];

/// Providers that the gateway looks up in the environment even if nothing names them.
pub const ALWAYS_LOOKED_UP: &[&str] = &[
    "anthropic",
    "github-copilot",
    "google-vertex",
    "openai",
    "google",
    "groq",
    "cerebras",
    "xai",
    "openrouter",
    "zai",
    "mistral",
    "synthetic",
];

/// The names that the login shell is asked for; if one of them is set already, it is not asked at all.
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

/// Names of Amazon Bedrock credentials; the pair counts only together.
pub const BEDROCK_KEYS: &[&str] =
    &["AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"];

/// The names for a normalised provider id.
#[must_use]
pub fn names(provider: &str) -> &'static [&'static str] {
    ENV_KEYS.iter().find(|(id, _)| *id == provider).map_or(&[], |(_, names)| names)
}

/// True for a name that a `.env` in the working directory may set (DESIGN §5.9): a provider key and nothing else.
#[must_use]
pub fn is_provider_key(name: &str) -> bool {
    ENV_KEYS.iter().any(|(_, names)| names.contains(&name)) || (BEDROCK_KEYS.contains(&name) && name != "AWS_PROFILE")
}
