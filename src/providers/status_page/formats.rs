//! One function for each kind of status page: what is wrong, in the page's own words, a line each; an empty list if all is well,
//! `None` if this is no such page. `part` is the part of it that matters, lower-case; others are not our business. PURE.

use serde_json::Value;

/// Lines that say what is wrong.
type Troubles = Option<Vec<String>>;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn matters(part: Option<&str>, name: &str) -> bool {
    part.is_none_or(|part| name.to_lowercase().contains(part))
}

/// The parts that matter; all of them, if the one that was looked for is not there any more.
fn parts<'a>(part: Option<&str>, all: &'a [Value], name: &str) -> (Vec<&'a Value>, bool) {
    let wanted: Vec<&Value> = all.iter().filter(|one| matters(part, text(one, name))).collect();
    let whole = part.is_none() || wanted.is_empty();
    (if whole { all.iter().collect() } else { wanted }, whole)
}

/// `API: major outage`, for a part whose state is none of the good ones; a part that is being maintained was announced.
fn broken(part: &Value, name: &str, state: &str) -> Option<String> {
    let state = text(part, state).to_lowercase().replace('_', " ");
    let well = matches!(state.as_str(), "operational" | "under maintenance" | "maintenance" | "no impact" | "");
    (!well).then(|| format!("{}: {state}", text(part, name)))
}

/// Atlassian Statuspage v2 `summary.json`, which incident.io and others speak too.
pub(super) fn statuspage(part: Option<&str>, body: &Value) -> Troubles {
    let indicator = body.pointer("/status/indicator")?.as_str()?;
    let (found, whole) = parts(part, list(body, "components"), "name");
    let mut lines: Vec<String> = found.into_iter().filter_map(|one| broken(one, "name", "status")).collect();
    if whole && lines.is_empty() && indicator != "none" {
        lines.push(body.pointer("/status/description").and_then(Value::as_str).unwrap_or(indicator).to_owned());
    }
    if !lines.is_empty() {
        let over = |one: &&Value| !matches!(text(one, "status"), "resolved" | "postmortem");
        let open = list(body, "incidents").iter().find(over).map(|one| text(one, "name"));
        lines.extend(open.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    Some(lines)
}

/// Better Stack `index.json`.
pub(super) fn better_stack(part: Option<&str>, body: &Value) -> Troubles {
    let state = body.pointer("/data/attributes/aggregate_state")?.as_str()?;
    if state == "operational" {
        return Some(Vec::new());
    }
    let resources = list(body, "included").iter().filter(|one| text(one, "type") == "status_page_resource");
    let resources: Vec<Value> = resources.filter_map(|one| one.get("attributes").cloned()).collect();
    let (found, whole) = parts(part, &resources, "public_name");
    let mut lines: Vec<String> = found.into_iter().filter_map(|one| broken(one, "public_name", "status")).collect();
    if whole && lines.is_empty() {
        lines.push(state.to_owned());
    }
    Some(lines)
}

/// Instatus `summary.json`.
pub(super) fn instatus(body: &Value) -> Troubles {
    let state = body.pointer("/page/status")?.as_str()?;
    if state == "UP" {
        return Some(Vec::new());
    }
    let name = list(body, "activeIncidents").first().map(|one| text(one, "name")).filter(|name| !name.is_empty());
    Some(vec![name.map_or_else(|| state.to_lowercase().replace('_', " "), str::to_owned)])
}

/// OnlineOrNot `/v1/status_pages/<name>/summary`; it lists only what is still going on.
pub(super) fn onlineornot(part: Option<&str>, body: &Value) -> Troubles {
    let result = body.get("result").filter(|_| body.get("success") == Some(&Value::Bool(true)))?;
    let said = result.pointer("/status/description")?.as_str()?;
    let (found, whole) = parts(part, list(result, "components"), "name");
    let mut lines: Vec<String> = found.into_iter().filter_map(|one| broken(one, "name", "status")).collect();
    if whole && lines.is_empty() && !said.to_lowercase().contains("operational") {
        lines.push(said.to_owned());
    }
    if !lines.is_empty() {
        let open = list(result, "active_incidents").first().map(|one| text(one, "title"));
        lines.extend(open.filter(|title| !title.is_empty()).map(str::to_owned));
    }
    Some(lines)
}

/// status.io `/1.0/status/<page>`: 100 is well, 200 maintenance, above that something is wrong.
pub(super) fn status_io(part: Option<&str>, body: &Value) -> Troubles {
    let result = body.get("result")?;
    let code = |one: &Value| one.get("status_code").and_then(Value::as_i64);
    let overall = result.get("status_overall")?;
    let wrong = code(overall)? > 100;
    let (found, whole) = parts(part, list(result, "status"), "name");
    let bad = found.into_iter().filter(|one| code(one).is_some_and(|code| code > 200));
    let mut lines: Vec<String> = bad.map(|one| format!("{}: {}", text(one, "name"), text(one, "status"))).collect();
    if whole && lines.is_empty() && wrong {
        lines.push(text(overall, "status").to_owned());
    }
    if !lines.is_empty() {
        let open = list(result, "incidents").first().map(|one| text(one, "name"));
        lines.extend(open.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    Some(lines)
}

/// Google's `incidents.json`: of a year, those without an end are going on. `part` is of the name of a product.
pub(super) fn google(part: Option<&str>, body: &Value) -> Troubles {
    let open = |one: &&Value| {
        let ended = one.get("end").is_some_and(|end| end.as_str().is_some_and(|end| !end.trim().is_empty()));
        !ended && one.pointer("/most_recent_update/status").and_then(Value::as_str) != Some("AVAILABLE")
    };
    // Notes that say nothing is broken have this word.
    let harmful = |one: &&Value| text(one, "status_impact") != "SERVICE_INFORMATION";
    let ours =
        |one: &&Value| list(one, "affected_products").iter().any(|product| matters(part, text(product, "title")));
    let incidents = body.as_array()?.iter().filter(open).filter(harmful).filter(ours);
    Some(incidents.map(|one| first_line(text(one, "external_desc"), "an incident")).take(3).collect())
}

/// AWS's `public/currentevents`: everything in it is going on, unless its status is 0. `part` is of the name of a service.
pub(super) fn aws(part: Option<&str>, body: &Value) -> Troubles {
    let number =
        |value: Option<&Value>| value.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
    let ours = |event: &&Value| {
        let impacted = event.get("impacted_services").and_then(Value::as_object).into_iter().flatten();
        let mut hit = impacted.filter(|(_, service)| number(service.get("current")) != Some(0));
        hit.any(|(id, service)| matters(part, id) || matters(part, text(service, "service_name")))
            || matters(part, text(event, "service"))
            || matters(part, text(event, "service_name"))
    };
    let open = body.as_array()?.iter().filter(|event| number(event.get("status")) != Some(0)).filter(ours);
    let line = |event: &Value| {
        let region = text(event, "region_name");
        let what = first_line(text(event, "summary"), "an event");
        if region.is_empty() { what } else { format!("{region}: {what}") }
    };
    Some(open.map(line).take(3).collect())
}

/// Slack's own `/api/v2.0.0/current`.
pub(super) fn slack(part: Option<&str>, body: &Value) -> Troubles {
    let state = body.get("status")?.as_str()?;
    if state == "ok" {
        return Some(Vec::new());
    }
    let ours = |one: &&Value| {
        let services: Vec<&str> = list(one, "services").iter().filter_map(Value::as_str).collect();
        part.is_none() || services.is_empty() || services.iter().any(|name| matters(part, name))
    };
    let harmful = |one: &&Value| !matches!(text(one, "type"), "maintenance" | "notice");
    let incidents = list(body, "active_incidents").iter().filter(harmful).filter(ours);
    Some(incidents.map(|one| first_line(text(one, "title"), "an incident")).collect())
}

fn first_line(words: &str, otherwise: &str) -> String {
    let line = words.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or(otherwise).to_owned()
}
