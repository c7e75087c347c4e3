//! The recorded exchanges.

use std::path::Path;

/// A recorded request or response.
#[derive(Debug)]
pub(crate) struct Message {
    /// The request line, or the status line.
    pub(crate) first: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    fn read(path: &Path) -> Message {
        let text = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let first = lines.next().unwrap().to_owned();
        let header =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        Message { first, headers: lines.map(|line| header(line).unwrap()).collect(), body: body.trim_end().to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held == name).map(|(_, value)| &**value)
    }

    /// The headers as pairs.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The method and the path of a request.
    pub(crate) fn line(&self) -> (&str, &str) {
        let mut words = self.first.split(' ');
        (words.next().unwrap(), words.next().unwrap())
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// The exchange with the number `number`, such as `"01"`.
pub(crate) fn exchange(number: &str) -> (Message, Message) {
    let all: Vec<_> = exchanges().into_iter().filter(|(name, _, _)| name.starts_with(&format!("{number}-"))).collect();
    let [(_, request, response)] = <[_; 1]>::try_from(all).unwrap();
    (request, response)
}

/// All exchanges in their order, with the names of their files up to `.req.http`.
pub(crate) fn exchanges() -> Vec<(String, Message, Message)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/caracal/fixtures/wire-0.1.1");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files.filter_map(|name| Some(name.strip_suffix(".req.http")?.to_owned())).collect();
    names.sort();
    let read = |name: &String, end: &str| Message::read(&folder.join(format!("{name}.{end}.http")));
    names.iter().map(|name| (name.clone(), read(name, "req"), read(name, "resp"))).collect()
}
