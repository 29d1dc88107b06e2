//! A book as somebody might have it: people of many languages, groups, opt-outs, keys and
//! a backup.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::harness::{PERMISSIONS, Reply, Server};

/// Whom a shop in Europe might write to: a name, the code of a country, a city.
const PEOPLE: [(&str, &str, &str); 24] = [
    ("Amélie", "33", "Paris"),
    ("John", "44", "London"),
    ("María", "34", "Madrid"),
    ("Zoë", "31", "Utrecht"),
    ("Piotr", "48", "Warsaw"),
    ("ヒロ", "81", "Tokyo"),
    ("张伟", "86", "Shanghai"),
    ("Okafor", "234", "Lagos"),
    ("Lena", "49", "Berlin"),
    ("O'Neill", "353", "Dublin"),
    ("Νίκος", "30", "Athens"),
    ("Ольга", "380", "Kyiv"),
    ("ليلى", "20", "Cairo"),
    ("נועה", "972", "Haifa"),
    ("Søren", "45", "Aarhus"),
    ("Elif", "90", "İzmir"),
    ("Priya", "91", "Mumbai"),
    ("Nguyễn", "84", "Huế"),
    ("Aroha", "64", "Wellington"),
    ("Inês", "351", "Lisbon"),
    ("김서연", "82", "Busan"),
    ("Łukasz", "48", "Łódź"),
    ("Chloé", "32", "Liège"),
    ("Bjørk", "354", "Akureyri"),
];
/// Contacts in all; more than a page of the table, few enough to be made in a moment.
const CONTACTS: usize = 1_243;

/// A server on such a book, a key with every permission, and ids of what can be opened.
pub struct Book {
    server: Server,
    key: String,
    contact: String,
    group: String,
    optout: String,
    shop: String,
    /// With its backups.
    backups: TempDir,
}

impl Book {
    pub fn new() -> Self {
        let backups = tempfile::tempdir().unwrap();
        let directory = backups.path().join("backups");
        // Minutes of a second, so that the health has figures to draw.
        let settings = ["--limit", "minute=1s", "--backup-dir"];
        let settings = [&settings[..], &[directory.to_str().unwrap()]].concat();
        let server = Server::start_with(&settings);
        let first = server.key(&PERMISSIONS);
        let operations = json!({ "name": "operations", "permissions": PERMISSIONS });
        let made = server.call("POST", "/auth/keys").key(&first);
        let made = made.json(operations.to_string()).send().json();
        let key = text(&made["record"]["token"]);
        let mut book = Self {
            server,
            key,
            contact: String::new(),
            group: String::new(),
            optout: number(7),
            shop: String::new(),
            backups,
        };
        book.write_contacts();
        book.write_groups();
        for opted_out in (0..CONTACTS).step_by(61).map(number).chain([number(7)]) {
            book.post("/addressbook/optouts", json!({ "msisdn": opted_out }));
        }
        book.write_keys();
        book.post("/backups", json!({}));
        book
    }

    fn post(&self, path: &str, body: Value) -> Reply {
        let call = self.server.call("POST", path).key(&self.key);
        let answer = call.json(body.to_string()).send();
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
        answer
    }

    fn write_contacts(&mut self) {
        let contacts: Vec<Value> = (0..CONTACTS)
            .map(|index| {
                let (name, _, city) = PEOPLE[index % PEOPLE.len()];
                let mut meta = json!({ "NAME": name, "CITY": city });
                if index % 5 == 0 {
                    meta["ORDER"] = json!(20_000 + index);
                }
                json!({ "alias": alias(index), "msisdn": number(index), "meta": meta })
            })
            .collect();
        let path = "/addressbook/contacts/bulk";
        let made = self.post(path, json!({ "contacts": contacts })).json();
        assert_eq!(made["summary"]["created"], CONTACTS, "{made}");
        let meta = json!({
            "NAME": "Jane", "CITY": "London", "VIP": true, "balance": 12.5,
            "address": { "street": "1 High Street", "zip": "N1 9GU" },
        });
        let jane = json!({ "alias": "jane / work", "msisdn": "447900900102", "meta": meta });
        let jane = self.post("/addressbook/contacts", jane).json();
        self.contact = text(&jane["record"]["id"]);
    }

    fn write_groups(&mut self) {
        let groups = [
            ("Spring sale", 3),
            ("Newsletter", 2),
            ("Staff", 97),
            ("On call", 400),
        ];
        for (name, step) in groups {
            let made = self
                .post("/addressbook/groups", json!({ "name": name }))
                .json();
            self.group = text(&made["record"]["id"]);
            let members: Vec<String> = (0..CONTACTS).step_by(step).map(alias).collect();
            let path = format!("/addressbook/groups/{}/members", self.group);
            self.post(&path, json!({ "add": members }));
            self.post(&path, json!({ "add": ["jane / work"] }));
        }
    }

    fn write_keys(&mut self) {
        let reader = json!(["read:Contacts", "read:Groups", "read:Optouts"]);
        let keys = [
            json!({ "name": "campaign sender", "permissions": reader, "allowed_ips": ["10.0.0.0/8"] }),
            json!({ "name": "prometheus", "permissions": ["read:Metrics"] }),
            json!({ "name": "nightly import", "permissions": PERMISSIONS[..8], "expires_on": "2099-01-15T00:00:00.000Z" }),
            json!({ "name": "old laptop", "permissions": ["read:Contacts"] }),
            json!({ "name": "web shop", "permissions": PERMISSIONS[..3], "rate_limit": 50 }),
        ];
        for key in keys {
            let made = self.post("/auth/keys", key).json();
            self.shop = text(&made["record"]["id"]);
            if made["record"]["name"] == "old laptop" {
                let path = format!("/auth/keys/{}", self.shop);
                let revoked = self.server.call("DELETE", &path).key(&self.key).send();
                assert_eq!(revoked.status, 200, "{}", revoked.body);
            }
        }
    }

    /// Shows to a browser, one after the other, every screen and what can lie on it, and
    /// has each looked at under its name.
    pub fn walk(&self, page: &Browser, mut look: impl FnMut(&str)) {
        page.visit(&self.server, "");
        page.sees("h1", "Sign in");
        look("sign-in");
        page.sign_in(&self.key);
        page.sees("h1", "Contacts");
        for (place, address) in self.places() {
            page.go_to(&address);
            page.settles();
            look(place);
        }
        self.give_file(page);
        look("import-tried");
        page.go_to("#/contacts");
        page.click_on(".rows .row .mark");
        look("selected");
        page.click("Delete 1 contact");
        look("dialog");
        page.click("Cancel");
        page.run("document.activeElement.blur()", Vec::new());
        page.type_text("?");
        look("keyboard");
        page.click("Close");
        self.differ(page);
        look("conflict");
    }

    /// Has a file looked at of which some rows are bad.
    fn give_file(&self, page: &Browser) {
        let rows = [
            "alias,msisdn,NAME,CITY",
            "ada,+44 7900 900201,Ada,London",
            "grace,no number,Grace,Oslo",
            "linus,+358 40 1234567,Linus,Helsinki",
            ",+49 151 00000001,Nobody,Köln",
        ];
        let file = self.backups.path().join("spring.csv");
        std::fs::write(&file, rows.join("\n")).unwrap();
        page.go_to("#/import");
        page.give("input[type=file]", file.to_str().unwrap());
        page.sees("h2", "Dry run");
        page.sees(".figures", "bad");
    }

    /// Has somebody else change what is being changed.
    fn differ(&self, page: &Browser) {
        page.go_to(&format!("#/contacts/{}", self.contact));
        page.fill("Value of CITY", "Paris");
        let path = format!("/addressbook/contacts/{}", self.contact);
        let call = self.server.call("PATCH", &path).key(&self.key);
        let theirs = json!({ "msisdn": "447900900103", "meta": { "CITY": "Leeds" } });
        assert_eq!(call.json(theirs.to_string()).send().status, 200);
        page.expects("the server responded with a status of 412");
        page.click("Save");
        page.sees(".conflict", "Leeds");
    }

    /// Every screen with what can be open on it: a name, and the address.
    fn places(&self) -> Vec<(&'static str, String)> {
        let Self {
            contact,
            group,
            optout,
            shop,
            ..
        } = self;
        vec![
            ("contacts", "#/contacts".to_owned()),
            ("contact", format!("#/contacts/{contact}")),
            ("new-contact", "#/contacts/new".to_owned()),
            (
                "filtered",
                format!("#/contacts?group={group}&meta.CITY=London"),
            ),
            ("nobody", "#/contacts?search=nobody-has-this".to_owned()),
            ("groups", "#/groups".to_owned()),
            ("group", format!("#/groups/{group}")),
            ("new-group", "#/groups/new".to_owned()),
            ("optouts", "#/optouts".to_owned()),
            ("optout", format!("#/optouts/{optout}")),
            ("new-optout", "#/optouts/new".to_owned()),
            ("import", "#/import".to_owned()),
            ("keys", "#/keys".to_owned()),
            ("key", format!("#/keys/{shop}")),
            ("new-key", "#/keys/new".to_owned()),
            ("activity", "#/activity".to_owned()),
            ("health", "#/health".to_owned()),
            ("try", format!("#/try?group={group}")),
        ]
    }
}

/// What an application might call a contact.
fn alias(index: usize) -> String {
    match index % 3 {
        0 => format!("order-{}", 20_000 + index),
        _ => format!(
            "{}-{index:05}",
            PEOPLE[index % PEOPLE.len()].0.to_lowercase()
        ),
    }
}

fn number(index: usize) -> String {
    let country = PEOPLE[index % PEOPLE.len()].1;
    format!("{country}79{:07}", index * 7_919)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
