"""Credential files as their owners write them."""

import base64
import itertools
import json
import time

HOUR, DAY = 3600, 86400


def ms(seconds_from_now):
    return int((time.time() + seconds_from_now) * 1000)


def jwt(expires_in, extra=None, signature=b"signature-of-nobody-signature-of-nobody"):
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    claims = {"iss": "https://auth.example.org", "exp": int(time.time() + expires_in), "iat": int(time.time()) - HOUR}
    return ".".join(
        [part(b'{"alg":"RS256","typ":"JWT"}'), part(json.dumps(claims | (extra or {})).encode()), part(signature)]
    )


def claude_code(access_in=8 * HOUR, login_ends_in=20 * DAY, access="sk-ant-oat01-sample", refresh="sk-ant-ort01-sample"):
    """`.claude/.credentials.json`; dates are seconds from now."""
    login = {
        "accessToken": access, "refreshToken": refresh, "expiresAt": ms(access_in),
        "scopes": ["user:inference", "user:profile"], "subscriptionType": "max",
    }
    if login_ends_in is not None:
        login["refreshTokenExpiresAt"] = ms(login_ends_in)
    return {"claudeAiOauth": login}


def codex(access_in=10 * DAY, refreshed_ago=DAY, access=None, refresh="rt_sample_of_codex"):
    """`.codex/auth.json`."""
    return {
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": jwt(HOUR), "access_token": access or jwt(access_in), "refresh_token": refresh,
            "account_id": "11111111-2222-3333-4444-555555555555",
        },
        "last_refresh": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - refreshed_ago)),
    }


_numbers = itertools.count()


def token(expires_in, secret=None, provider="anthropic"):
    """A profile of an `auth-profiles.json` that a person must renew. Each has a secret of its own unless one is given: the
    same secret in two places would be one credential and its copy."""
    profile = {"type": "token", "provider": provider, "token": secret or f"sk-ant-oat01-sample-{next(_numbers)}"}
    if expires_in is not None:
        profile["expires"] = ms(expires_in)
    return profile


def api_key(secret=None, provider="anthropic"):
    return {"type": "api_key", "provider": provider, "key": secret or f"sk-sample-{next(_numbers)}"}


def store(**profiles):
    """`auth-profiles.json`; `anthropic__work` means the id `anthropic:work`."""
    return {"version": 1, "profiles": {name.replace("__", ":"): profile for name, profile in profiles.items()}}


def gateway_config(primary="anthropic/claude-opus-4-6"):
    return {"agents": {"defaults": {"model": {"primary": primary}}}}
