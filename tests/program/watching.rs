//! The dashboard and the alerts in `deploy/`, and the page about them: they use what a
//! real server exposes, and leave nothing of it out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use addressbook::http::CALLS;
use serde_json::{Value, json};

use crate::harness::{Server, make_key, until};

mod expression;

use expression::Expression;

const DASHBOARD: &str = include_str!("../../deploy/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../deploy/alerts.yaml");
const PAGE: &str = include_str!("../../docs/watching.md");
/// Where the stages of a key's check are.
const STAGES: &str = include_str!("../../src/http/gate/metrics.rs");

/// What Prometheus adds to every sample.
const OF_THE_TARGET: [&str; 2] = ["instance", "job"];
/// What Prometheus itself knows of a server.
const OF_PROMETHEUS: &str = "up";
/// Families that no panel shows, each with its reason.
const NOT_SHOWN: [(&str, &str); 0] = [];

/// What a server exposes that was used: each sample's family, and its labels.
struct Exposed {
    families: BTreeSet<String>,
    family_of: BTreeMap<String, String>,
    labels: BTreeMap<String, BTreeSet<String>>,
}

impl Exposed {
    /// Starts a server, and uses it so that every family has samples.
    fn ask() -> Self {
        let backups = tempfile::tempdir().unwrap();
        let server = Server::start_with(&["--backup-dir", backups.path().to_str().unwrap()]);
        let key = server.key(&["read:Metrics", "create:Contacts", "create:Groups"]);
        make_key(&server.database, &["read:Audit"], &["--expires-in", "1d"]);
        let created = server.create(&key, r#"{"alias":"john","msisdn":"4479000000001"}"#);
        assert_eq!(created.status, 200);
        let group = server.call("POST", "/addressbook/groups").key(&key);
        assert_eq!(group.json(r#"{"name":"all"}"#).send().status, 200);
        let last = [
            "\naddressbook_backup_last_success_timestamp_seconds ",
            "\naddressbook_key_expiry_timestamp_seconds{",
            "\naddressbook_groups 1\n",
        ];
        let text = until(|| {
            let reply = server.call("GET", "/metrics").key(&key).send();
            last.iter()
                .all(|sample| reply.body.contains(sample))
                .then_some(reply.body)
        });
        Self::read(&text)
    }

    fn read(text: &str) -> Self {
        let (mut families, mut family_of) = (BTreeSet::new(), BTreeMap::new());
        let mut labels = BTreeMap::<_, BTreeSet<String>>::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(typed) = line.strip_prefix("# TYPE ") {
                family = typed.split(' ').next().unwrap().to_owned();
                families.insert(family.clone());
            } else if !line.starts_with('#') {
                let sample = Expression::read(line).metrics.remove(0);
                family_of.insert(sample.name.clone(), family.clone());
                let known = labels.entry(sample.name).or_default();
                known.extend(sample.labels.into_iter().map(|(label, _)| label));
            }
        }
        Self {
            families,
            family_of,
            labels,
        }
    }

    /// What a use of the metrics names that does not exist. `shown` are the labels that
    /// its texts name.
    fn wrong(&self, written: &str, shown: &[&str]) -> Vec<String> {
        let expression = Expression::read(written);
        let (mut wrong, none) = (Vec::new(), BTreeSet::new());
        let mut all: BTreeSet<&str> = OF_THE_TARGET.into();
        for metric in &expression.metrics {
            let known = match self.labels.get(&metric.name) {
                None if metric.name == OF_PROMETHEUS => &none,
                None => {
                    wrong.push(format!("no {} in {written}", metric.name));
                    continue;
                }
                Some(known) => known,
            };
            all.extend(known.iter().map(String::as_str));
            let has = |label: &str| known.contains(label) || OF_THE_TARGET.contains(&label);
            let selected = metric.labels.iter().map(|(label, _)| label);
            for label in selected.chain(&expression.grouped_by) {
                if !has(label) {
                    wrong.push(format!("{} has no {label}: {written}", metric.name));
                }
            }
            for (label, pattern) in &metric.labels {
                let values = pattern.split('|').filter(|value| !occurs(label, value));
                wrong.extend(values.map(|value| format!("no {label} is {value}: {written}")));
            }
        }
        let left: BTreeSet<&str> = match expression.grouped_by.is_empty() {
            true => all,
            false => expression.grouped_by.iter().map(String::as_str).collect(),
        };
        let shown = shown.iter().filter(|label| !left.contains(**label));
        wrong.extend(shown.map(|label| format!("{label} is not left by {written}")));
        wrong
    }

    /// The families that an expression uses.
    fn used(&self, written: &str) -> Vec<&str> {
        let metrics = Expression::read(written).metrics.into_iter();
        let families = metrics.filter_map(|metric| self.family_of.get(&metric.name));
        families.map(String::as_str).collect()
    }
}

/// Whether a label may have this value, as far as the source says it.
fn occurs(label: &str, value: &str) -> bool {
    match label {
        "stage" => stages().contains(&value),
        "route" => CALLS.iter().any(|call| call.path == value),
        "method" => CALLS.iter().any(|call| call.method == value),
        "status" => matches!(value.as_bytes(), [b'1'..=b'5', b'.', b'.']),
        "job" => value == "addressbook",
        "instance" => value == "$instance",
        _ => false,
    }
}

fn stages() -> Vec<&'static str> {
    let (_, rest) = STAGES.split_once("enum Stage {").unwrap();
    let lines = rest.split('}').next().unwrap().lines().map(str::trim);
    let names = lines.filter(|line| !line.starts_with("///"));
    names.filter_map(|line| line.strip_suffix(',')).collect()
}

/// What stands between `open` and `close`, each time.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    let pieces = text.split(open).skip(1);
    let inner = pieces.filter_map(|piece| piece.split_once(close));
    inner.map(|(inner, _)| inner.trim()).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

/// Every expression of the dashboard, with the text that shows its labels.
fn expressions(value: &Value) -> Vec<(&str, &str)> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let shown = text("legendFormat").or(text("titleFormat"));
    let own = text("expr").map(|expr| (expr, shown.unwrap_or_default()));
    let members: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    };
    let inner = members.into_iter().flat_map(expressions);
    own.into_iter().chain(inner).collect()
}

/// Each alert's name, expression and whole text.
fn alerts() -> Vec<(&'static str, String, &'static str)> {
    let alerts = ALERTS.split("\n      - alert: ").skip(1).map(|text| {
        let (name, _) = text.split_once('\n').unwrap();
        let (_, rest) = text.split_once("\n        expr: ").unwrap();
        let expression = match rest.strip_prefix("|\n") {
            Some(block) => {
                let lines = block.lines();
                let own = lines.take_while(|line| line.starts_with("          "));
                own.collect::<Vec<_>>().join("\n")
            }
            None => rest.lines().next().unwrap().to_owned(),
        };
        (name, expression, text)
    });
    alerts.collect()
}

#[test]
fn the_dashboard_shows_every_family_by_labels_that_it_has() {
    let exposed = Exposed::ask();
    let dashboard = dashboard();
    let mut wrong = Vec::new();
    let mut missing = exposed.families.clone();
    for (expression, legend) in expressions(&dashboard) {
        wrong.extend(exposed.wrong(expression, &between(legend, "{{", "}}")));
        for family in exposed.used(expression) {
            missing.remove(family);
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let query = variable["query"]["query"].as_str().unwrap_or_default();
        for asked in between(query, "label_values(", ")") {
            let (metric, label) = asked.split_once(", ").unwrap();
            wrong.extend(exposed.wrong(metric, &[label]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (family, reason) in NOT_SHOWN {
        assert!(missing.remove(family), "{family} is shown: {reason}");
    }
    assert!(missing.is_empty(), "no panel shows {missing:?}");
}

#[test]
fn every_panel_has_a_title_a_unit_and_one_sentence() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        assert!(titles.insert(title), "{title} stands twice");
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            is_sentence(panel["description"].as_str().unwrap()),
            "{title}"
        );
        let unit = &panel["fieldConfig"]["defaults"]["unit"];
        assert!(
            unit.as_str().is_some_and(|unit| !unit.is_empty()),
            "{title}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let asked = panel["targets"].as_array().unwrap();
        assert!(!asked.is_empty(), "{title}");
        for target in asked {
            let expression = target["expr"].as_str().unwrap();
            for metric in Expression::read(expression).metrics {
                let by_instance = metric.labels.iter().any(|(label, _)| label == "instance");
                assert!(by_instance, "{title} shows other servers, too");
            }
        }
    }
}

fn is_sentence(text: &str) -> bool {
    let begins = text.chars().next().is_some_and(char::is_uppercase);
    begins && text.ends_with('.') && !text.contains(". ")
}

#[test]
fn every_alert_uses_what_exists_and_says_what_to_do() {
    let exposed = Exposed::ask();
    let mut wrong = Vec::new();
    let all = alerts();
    assert_eq!(all.len(), ALERTS.matches("expr:").count());
    for (name, expression, text) in all {
        let mut shown = between(text, "$labels.", " }}");
        shown.retain(|label| !label.is_empty());
        wrong.extend(exposed.wrong(&expression, &shown));
        let severities = ["warning", "critical"].map(|one| format!("severity: {one}\n"));
        let known = severities.iter().filter(|one| text.contains(*one));
        assert_eq!(known.count(), 1, "{name}");
        let summary = between(text, "summary: \"", "\"\n");
        assert!(summary.len() == 1 && summary[0].ends_with('.'), "{name}");
        assert!(!summary[0].contains(". "), "{name}");
        let (_, description) = text.split_once("description: >-").unwrap();
        let named = description.split(['(', ')', ',', ' ', '\n']);
        let pages: Vec<&str> = named.filter(|word| word.ends_with(".md")).collect();
        assert!(!pages.is_empty(), "{name} names no page");
        for page in pages {
            let exists = Path::new(env!("CARGO_MANIFEST_DIR")).join(page).exists();
            assert!(exists, "{name}: {page}");
        }
        assert!(
            PAGE.contains(&format!("`{name}`")),
            "docs/watching.md has no {name}"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_tells_of_every_family_and_every_stage_once() {
    let exposed = Exposed::ask();
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: Vec<_> = rows.filter_map(|row| row.split_once('`')).collect();
    let mut told = Vec::new();
    for (name, rest) in &rows {
        if !name.starts_with("addressbook_") && !name.starts_with("process_") {
            continue;
        }
        let name = name.split('{').next().unwrap();
        let family = exposed.family_of.get(name).map_or(name, String::as_str);
        let sentence = rest.trim_matches(['|', ' ']);
        assert!(is_sentence(sentence.split(" | ").last().unwrap()), "{name}");
        told.push(family.to_owned());
    }
    told.sort();
    let families: Vec<_> = exposed.families.iter().cloned().collect();
    assert_eq!(told, families);
    for stage in stages() {
        let times = rows.iter().filter(|(name, _)| *name == stage).count();
        assert_eq!(times, 1, "{stage}");
    }
}

/// Runs `promtool` in `deploy/`; where there is none, that is said.
fn promtool(arguments: &[&str]) {
    let mut command = Command::new("promtool");
    command.args(arguments);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy"));
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let skipped = format!("skipped: promtool {}, no promtool\n", arguments.join(" "));
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            return;
        }
        output => output.unwrap(),
    };
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    assert!(output.status.success(), "{}", said.join("\n"));
}

#[test]
fn prometheus_takes_the_alerts_and_they_fire_when_they_should() {
    promtool(&["check", "rules", "alerts.yaml"]);
    promtool(&["test", "rules", "alerts.test.yaml"]);
}

#[test]
fn prometheus_takes_every_expression_of_the_dashboard() {
    let dashboard = dashboard();
    let rules = expressions(&dashboard).into_iter().enumerate();
    let rules = rules.map(|(n, (expression, _))| {
        let expression = expression.replace("$__rate_interval", "5m");
        json!({"record": format!("dashboard:{n}"), "expr": expression.replace("$instance", ".*")})
    });
    // JSON is YAML.
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules.collect::<Vec<_>>()}]});
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dashboard.yaml");
    fs::write(&file, rules.to_string()).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()]);
}
