//! A browser that finds things as people do, by the words on them. When it goes, nothing
//! may stand in its log that its test did not expect, and nothing was asked of anybody else.

use std::cell::RefCell;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fantoccini::Client;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use self::driver::{Beyond, Driver};
use crate::harness::WAIT_MAX;

mod driver;

/// How long it looks away before it looks again.
const PAUSE: Duration = Duration::from_millis(10);
/// A window as most have it.
pub const DESK: (u32, u32) = (1280, 800);

/// Finds an element by what people see or hear of it, in what lies on top.
const FIND: &str = include_str!("find.js");

/// A browser with one page; closed when dropped.
pub struct Browser {
    runtime: Runtime,
    client: Client,
    /// What its page may ask.
    origins: RefCell<Vec<String>>,
    /// What the browser did, as far as it was asked for.
    told: RefCell<Vec<Value>>,
    /// Parts of messages that may stand in its log.
    expected: RefCell<Vec<String>>,
    /// Stopped last.
    _driver: Driver,
}

impl Browser {
    /// Opens one of a size, where there is one; else says that the test is skipped.
    pub fn start((width, height): (u32, u32)) -> Option<Self> {
        let Some((driver, binary)) = Driver::start() else {
            eprintln!("skipped: it needs chromium and chromedriver");
            return None;
        };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(driver.open(&binary));
        let browser = Self {
            runtime,
            client,
            origins: RefCell::default(),
            told: RefCell::default(),
            expected: RefCell::default(),
            _driver: driver,
        };
        browser.resize(width, height);
        Some(browser)
    }

    /// Gives the page another size.
    pub fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.dev_tools("Emulation.setDeviceMetricsOverride", size);
    }

    /// Has the system prefer `light` or `dark`, at once.
    pub fn prefers(&self, theme: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": theme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.dev_tools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    /// Sends a command of the DevTools protocol.
    pub fn dev_tools(&self, command: &'static str, parameters: Value) -> Value {
        let command = Beyond::DevTools(command, parameters);
        self.runtime
            .block_on(self.client.issue_cmd(command))
            .unwrap()
    }

    /// Goes to an address.
    pub fn go(&self, url: &str) {
        let parsed = url::Url::parse(url).unwrap();
        let origin = parsed.origin().ascii_serialization();
        self.origins.borrow_mut().push(format!("{origin}/"));
        self.runtime.block_on(self.client.goto(url)).unwrap();
    }

    /// The part of the address behind its `#`.
    pub fn hash(&self) -> String {
        self.text_of("return location.hash")
    }

    pub fn back(&self) {
        self.runtime.block_on(self.client.back()).unwrap();
    }

    pub fn reload(&self) {
        self.runtime.block_on(self.client.refresh()).unwrap();
    }

    /// A picture of what is seen, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        self.runtime.block_on(self.client.screenshot()).unwrap()
    }

    /// What a script of the page returns.
    pub fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        let came = self
            .runtime
            .block_on(self.client.execute(script, arguments));
        came.unwrap_or_else(|error| panic!("{error}\n{script}"))
    }

    /// What a script of the page comes to, once its promise is kept.
    pub fn run_slowly(&self, script: &str, arguments: Vec<Value>) -> Value {
        let whole = format!(
            "const done = arguments[arguments.length - 1];
             (async (...given) => {{ {script} }})(...arguments)
               .then((came) => done({{ came: came ?? null }}), (error) => done({{ error: String(error) }}))"
        );
        let came = self
            .runtime
            .block_on(self.client.execute_async(&whole, arguments));
        let came = came.unwrap_or_else(|error| panic!("{error}\n{script}"));
        assert_eq!(came["error"], Value::Null, "{script}");
        came["came"].clone()
    }

    /// A text that a script returns.
    pub fn text_of(&self, script: &str) -> String {
        self.run(script, Vec::new())
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until an expression of the page is true.
    pub fn until(&self, condition: &str) {
        self.wait_for(condition, || {
            let script = format!("return Boolean({condition})");
            let came = self
                .runtime
                .block_on(self.client.execute(&script, Vec::new()));
            // A page on its way to another has no answer.
            came.is_ok_and(|came| came == true).then_some(())
        });
    }

    /// Waits until some element, found by CSS, has these words in it.
    pub fn sees(&self, selector: &str, words: &str) {
        self.until(&format!(
            "[...document.querySelectorAll({selector:?})].some((one) => one.checkVisibility() && one.textContent.includes({words:?}))"
        ));
    }

    /// Waits until no element that one can see, found by CSS, is there.
    pub fn lacks(&self, selector: &str) {
        self.until(&format!(
            "![...document.querySelectorAll({selector:?})].some((one) => one.checkVisibility())"
        ));
    }

    fn wait_for<T>(&self, what: &str, found: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found() {
                return found;
            }
            if begun.elapsed() > WAIT_MAX {
                let page = "return `${document.body.innerText.slice(0, 1000)}\n${location.href}`";
                let page = self.text_of(page);
                let logged = self.logged("browser");
                panic!("it never came: {what}\n{page}\n{logged:#?}");
            }
            sleep(PAUSE);
        }
    }

    /// The element that `find.js` finds by its kind and its words, once it is there.
    fn find(&self, kind: &str, words: &str) -> Element {
        self.wait_for(&format!("{kind} {words}"), || {
            let arguments = vec![kind.into(), words.into()];
            let came = self.runtime.block_on(self.client.execute(FIND, arguments));
            let came = came.ok()?;
            let id = came.as_object()?.values().next()?.as_str()?.to_owned();
            Some(Element::from_element_id(self.client.clone(), id.into()))
        })
    }

    /// Presses a button, or follows a link, by the words on it.
    pub fn click(&self, words: &str) {
        let element = self.find("button", words);
        self.runtime.block_on(element.click()).unwrap();
    }

    /// Clicks on what CSS finds first of what is seen.
    pub fn click_on(&self, selector: &str) {
        let element = self.find("css", selector);
        self.runtime.block_on(element.click()).unwrap();
    }

    /// Types into a field, by its label; what stood there goes.
    pub fn fill(&self, label: &str, text: &str) {
        let element = self.find("field", label);
        self.runtime.block_on(async {
            element.clear().await.unwrap();
            element.send_keys(text).await.unwrap();
        });
    }

    /// Chooses an entry of a list, by the list's label and the entry's words, once it is
    /// there: some lists are asked for when they have the focus.
    pub fn choose(&self, label: &str, words: &str) {
        let list = self.find("field", label);
        self.runtime.block_on(list.click()).unwrap();
        self.wait_for(words, || {
            self.runtime.block_on(list.select_by_label(words)).ok()
        });
    }

    /// Gives a file to a field for files.
    pub fn give(&self, selector: &str, path: &str) {
        let element = self.find("hidden", selector);
        self.runtime.block_on(element.send_keys(path)).unwrap();
    }

    /// What stands in a field.
    pub fn value(&self, label: &str) -> String {
        let element = self.find("field", label);
        self.runtime
            .block_on(element.prop("value"))
            .unwrap()
            .unwrap()
    }

    /// What is said to be wrong with a field.
    pub fn error_at(&self, label: &str) -> String {
        let element = self.find("error", label);
        self.runtime.block_on(element.text()).unwrap()
    }

    /// Types where the focus is.
    pub fn type_text(&self, text: &str) {
        self.keys(
            text.chars()
                .flat_map(|value| [KeyAction::Down { value }, KeyAction::Up { value }]),
        );
    }

    /// Presses a key where the focus is.
    pub fn press(&self, key: Key) {
        let value = char::from(key);
        self.keys([KeyAction::Down { value }, KeyAction::Up { value }]);
    }

    /// Presses a key while another is held.
    pub fn press_with(&self, held: Key, key: Key) {
        let (held, value) = (char::from(held), char::from(key));
        self.keys([
            KeyAction::Down { value: held },
            KeyAction::Down { value },
            KeyAction::Up { value },
            KeyAction::Up { value: held },
        ]);
    }

    fn keys(&self, actions: impl IntoIterator<Item = KeyAction>) {
        let keyboard = KeyActions::new("keyboard".to_owned());
        let pressed = actions
            .into_iter()
            .fold(keyboard, |keys, action| keys.then(action));
        self.runtime
            .block_on(self.client.perform_actions(pressed))
            .unwrap();
    }

    /// Lets messages stand in the log that contain this.
    pub fn expects(&self, part: &str) {
        self.expected.borrow_mut().push(part.to_owned());
    }

    /// What was logged since this was asked last.
    fn logged(&self, kind: &'static str) -> Vec<Value> {
        let logged = self
            .runtime
            .block_on(self.client.issue_cmd(Beyond::Log(kind)));
        logged.unwrap().as_array().cloned().unwrap_or_default()
    }

    /// What the browser did since this was asked last, as DevTools tell it; kept, so that it
    /// is looked at once more in the end.
    fn events(&self) -> Vec<Value> {
        let events = self.logged("performance").into_iter().map(|entry| {
            let told: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            told["message"].clone()
        });
        self.told.borrow_mut().extend(events);
        self.told.borrow().clone()
    }

    /// Waits until a request, whose URL contains this, was given up.
    pub fn gives_up(&self, part: &str) {
        self.wait_for(part, || {
            let events = self.events();
            let is = |event: &Value, method: &str| event["method"] == method;
            let id = |event: &Value| event["params"]["requestId"].as_str().unwrap().to_owned();
            let sent: Vec<String> = events
                .iter()
                .filter(|event| is(event, "Network.requestWillBeSent"))
                .filter(|event| {
                    event["params"]["request"]["url"]
                        .as_str()
                        .unwrap()
                        .contains(part)
                })
                .map(id)
                .collect();
            let given_up = events.iter().any(|event| {
                is(event, "Network.loadingFailed")
                    && event["params"]["canceled"] == true
                    && sent.contains(&id(event))
            });
            given_up.then_some(())
        });
    }

    /// Complaints that nobody expected, and requests to others.
    fn faults(&self) -> Vec<String> {
        let (expected, origins) = (self.expected.borrow(), self.origins.borrow());
        let complaints = self.logged("browser").into_iter().filter(|entry| {
            let message = entry["message"].as_str().unwrap();
            matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"))
                && !expected.iter().any(|part| message.contains(part))
        });
        let complaints = complaints.map(|entry| entry["message"].to_string());
        let asked = self.events().into_iter().filter_map(|event| {
            let is_request = event["method"] == "Network.requestWillBeSent";
            let url = event["params"]["request"]["url"].as_str()?;
            let own = ["data:", "blob:", "about:"];
            let is_ours = origins.iter().any(|origin| url.starts_with(origin))
                || own.iter().any(|scheme| url.starts_with(scheme));
            (is_request && !is_ours).then(|| format!("asked {url}"))
        });
        complaints.chain(asked).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let faults = match std::thread::panicking() {
            true => Vec::new(),
            false => self.faults(),
        };
        // Else it would outlive its chromedriver.
        let _ = self.runtime.block_on(self.client.clone().close());
        assert!(faults.is_empty(), "{faults:#?}");
    }
}
