use serde_json::json;

use super::*;

fn page(format: PageFormat, component: Option<&str>) -> StatusPage {
    StatusPage { url: "https://status.example.org".into(), format, component: component.map(str::to_owned) }
}

#[test]
fn what_pages_say() {
    let parts = |api: &str, web: &str| {
        json!({"status": {"indicator": "major", "description": "Partial System Outage"},
            "components": [{"name": "API", "status": api}, {"name": "Website", "status": web}],
            "incidents": [{"name": "Elevated errors", "status": "investigating"}]})
    };
    let better = |state: &str, api: &str| {
        json!({"data": {"attributes": {"aggregate_state": state}}, "included": [
            {"type": "status_page_section", "attributes": {"name": "API"}},
            {"type": "status_page_resource", "attributes": {"public_name": "API", "status": api}},
            {"type": "status_page_resource", "attributes": {"public_name": "Docs", "status": "operational"}}]})
    };
    let online = |said: &str, chat: &str| {
        json!({"success": true, "result": {"status": {"description": said},
            "components": [{"name": "Chat (/api/v1/chat/completions)", "status": chat}, {"name": "Home", "status": "OPERATIONAL"}],
            "active_incidents": [{"title": "Elevated 429s", "impact": "PARTIAL_OUTAGE"}]}})
    };
    let io = |overall: i64, api: i64| {
        json!({"result": {"status_overall": {"status": "Partial Service Disruption", "status_code": overall},
            "status": [{"name": "API", "status": "Service Disruption", "status_code": api},
                {"name": "Website", "status": "Operational", "status_code": 100}],
            "incidents": [{"name": "Git is slow"}]}})
    };
    let google = |product: &str, end: Value, impact: &str| {
        json!([{"external_desc": "Errors on Gemini\nand more", "end": end, "status_impact": impact,
            "affected_products": [{"title": product, "id": "Z0"}], "most_recent_update": {"status": impact}}])
    };
    let aws = |status: &str, service: &str, current: &str| {
        json!([{"status": status, "region_name": "N. Virginia", "summary": "Increased error rates",
            "service": "multipleservices-us-east-1", "service_name": "Multiple services",
            "impacted_services": {service: {"service_name": "Service", "current": current, "max": "3"}}}])
    };
    let trouble = |text: &str| Page::Trouble(text.to_owned());
    use PageFormat::*;
    for (format, component, body, expected) in [
        (Statuspage, Some("api"), parts("major_outage", "operational"), trouble("API: major outage; Elevated errors")),
        (Statuspage, Some("api"), parts("operational", "major_outage"), Page::Fine),
        (
            Statuspage,
            Some("gone"),
            parts("operational", "operational"),
            trouble("Partial System Outage; Elevated errors"),
        ),
        (Statuspage, None, json!({"status": {"indicator": "none"}}), Page::Fine),
        (Statuspage, None, json!({"status": 3}), Page::Silent),
        (BetterStack, None, json!({"data": {"attributes": {"aggregate_state": "operational"}}}), Page::Fine),
        (BetterStack, None, json!({"data": {"attributes": {"aggregate_state": "downtime"}}}), trouble("downtime")),
        (Instatus, None, json!({"page": {"status": "UP"}}), Page::Fine),
        (
            Instatus,
            None,
            json!({"page": {"status": "HASISSUES"}, "activeIncidents": [{"name": "Slow"}]}),
            trouble("Slow"),
        ),
        (Instatus, None, json!([]), Page::Silent),
        (BetterStack, Some("api"), better("downtime", "degraded"), trouble("API: degraded")),
        (BetterStack, Some("api"), better("downtime", "operational"), Page::Fine),
        (BetterStack, None, better("downtime", "operational"), trouble("downtime")),
        (Onlineornot, None, online("All Systems Operational", "OPERATIONAL"), Page::Fine),
        (
            Onlineornot,
            None,
            online("Minor Service Outage", "PARTIAL_OUTAGE"),
            trouble("Chat (/api/v1/chat/completions): partial outage; Elevated 429s"),
        ),
        (Onlineornot, None, json!({"success": false, "result": null}), Page::Silent),
        (StatusIo, Some("api"), io(100, 100), Page::Fine),
        (StatusIo, Some("api"), io(400, 500), trouble("API: Service Disruption; Git is slow")),
        (StatusIo, Some("gone"), io(400, 100), trouble("Partial Service Disruption; Git is slow")),
        (StatusIo, None, json!({"result": {}}), Page::Silent),
        (
            Google,
            Some("gemini"),
            google("Vertex Gemini API", json!(null), "SERVICE_DISRUPTION"),
            trouble("Errors on Gemini"),
        ),
        (
            Google,
            Some("gemini"),
            google("Vertex Gemini API", json!("2026-09-18T12:00:00Z"), "SERVICE_OUTAGE"),
            Page::Fine,
        ),
        (Google, Some("gemini"), google("Vertex Gemini API", json!(null), "SERVICE_INFORMATION"), Page::Fine),
        (Google, Some("gemini"), google("Cloud SQL", json!(null), "SERVICE_OUTAGE"), Page::Fine),
        (Google, Some("gemini"), json!({"error": "x"}), Page::Silent),
        (Aws, Some("bedrock"), aws("3", "bedrock-us-east-1", "2"), trouble("N. Virginia: Increased error rates")),
        (Aws, Some("bedrock"), aws("0", "bedrock-us-east-1", "2"), Page::Fine),
        (Aws, Some("bedrock"), aws("3", "bedrock-us-east-1", "0"), Page::Fine),
        (Aws, Some("bedrock"), aws("3", "ec2-us-east-1", "2"), Page::Fine),
        (Aws, Some("bedrock"), json!([]), Page::Fine),
        (Aws, Some("bedrock"), json!({}), Page::Silent),
        (Slack, None, json!({"status": "ok", "active_incidents": []}), Page::Fine),
        (
            Slack,
            None,
            json!({"status": "active", "active_incidents": [{"title": "Trouble sending", "type": "incident", "services": ["Messaging"]}]}),
            trouble("Trouble sending"),
        ),
        (Slack, None, json!({"status": "active", "active_incidents": [{"title": "x", "type": "notice"}]}), Page::Fine),
        (Slack, None, json!([1]), Page::Silent),
        (Html, None, json!({"status": {"indicator": "none"}}), Page::Silent),
    ] {
        assert_eq!(read(&page(format, component), &body), expected, "{format:?} {component:?} {body}");
    }
}

#[test]
fn documents_in_whatever_encoding() {
    let text = r#"[{"status":"1"}]"#;
    let wide = |big: bool| {
        let units = text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
        let mark: [u8; 2] = if big { [0xfe, 0xff] } else { [0xff, 0xfe] };
        mark.into_iter().chain(units).collect::<Vec<u8>>()
    };
    let expected = Some(json!([{"status": "1"}]));
    for bytes in [text.as_bytes().to_vec(), wide(true), wide(false)] {
        assert_eq!(parse(&bytes), expected);
    }
    for bad in [&b"<html>"[..], b"\xfe\xff\xd8", b"\xff\xfe\x00\xd8", b""] {
        assert_eq!(parse(bad), None);
    }
}
