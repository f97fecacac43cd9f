//! The program: one line of JSON, then the servers it names.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A running program; killed when dropped.
struct Program {
    child: Child,
    ready: Value,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child =
            Command::new(env!("CARGO_BIN_EXE_testbed")).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap() }
    }

    fn address(&self, name: &str) -> String {
        self.ready[name].as_str().unwrap().trim_start_matches("http://").to_owned()
    }

    /// Sends one HTTP request without credentials and returns status and body.
    fn exchange(&self, name: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let address = self.address(name);
        let mut stream = TcpStream::connect(&address).unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n");
        write!(stream, "{head}connection: close\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    fn admin(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, text) = self.exchange("admin", method, path, body);
        json!([status, serde_json::from_str::<Value>(&text).unwrap()])
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn the_admin_endpoint_controls_faults_and_counters() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "x").unwrap();
    let load = format!("{}=infra", directory.path().display());
    let program = Program::start(&["s3", "--bucket", "golden", "--rtt-ms", "2", "--load", &load]);

    assert_eq!(program.ready["bucket"], "golden");
    assert_eq!(program.admin("GET", "/keys?prefix=infra", ""), json!([200, ["infra/file"]]));
    let rules = r#"[{"on": {"kind": "get"}, "fault": "slow_down"}]"#;
    assert_eq!(program.admin("POST", "/faults", rules), json!([200, {}]));
    assert_eq!(program.exchange("endpoint", "GET", "/golden/infra/file", "").0, 503);
    assert_eq!(program.admin("DELETE", "/faults", ""), json!([200, {}]));
    assert_eq!(program.exchange("endpoint", "GET", "/golden/infra/file", "").0, 403);
    assert_eq!(program.admin("GET", "/counters", "")[1]["get"], 2);
    assert_eq!(program.admin("GET", "/counters", "")[1]["total"], 2);
    assert_eq!(program.admin("GET", "/requests", "")[1][0], json!({ "kind": "get", "key": "infra/file" }));
    assert_eq!(program.admin("POST", "/reset", ""), json!([200, {}]));
    assert_eq!(program.admin("POST", "/faults", r#"{"read_only": true}"#), json!([200, {}]));
    assert_eq!(program.exchange("endpoint", "PUT", "/golden/infra/file", "y").0, 403);
    assert_eq!(program.admin("POST", "/faults", r#"{"read-only": true}"#)[0], 400);
    assert_eq!(program.admin("GET", "/nothing", "")[0], 404);
}

#[test]
fn the_gcs_server_is_controlled_like_the_other() {
    let program = Program::start(&["gcs", "--bucket", "golden", "--rtt-ms", "2"]);
    let insert = "/upload/storage/v1/b/golden/o?uploadType=media&name=infra/file";

    assert_eq!(program.exchange("endpoint", "POST", insert, "y").0, 200);
    assert_eq!(program.admin("GET", "/keys?prefix=infra", ""), json!([200, ["infra/file"]]));
    assert_eq!(program.admin("POST", "/faults", r#"{"read_only": true}"#), json!([200, {}]));
    assert_eq!(program.exchange("endpoint", "POST", insert, "z").0, 403);
    assert_eq!(program.admin("GET", "/counters", "")[1]["put"], 2);
}

#[test]
fn a_terminated_program_ends_well() {
    let mut program = Program::start(&["s3"]);

    let killed = Command::new("kill").arg(program.child.id().to_string()).status().unwrap();

    assert!(killed.success());
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_proxy_stands_before_any_address() {
    let store = Program::start(&["s3"]);
    let proxy = Program::start(&["proxy", "--target", &store.address("endpoint"), "--rtt-ms", "2"]);

    assert_eq!(proxy.exchange("endpoint", "GET", "/testbed/file", "").0, 403);
    assert_eq!(store.admin("GET", "/counters", "")[1]["total"], 1);
}
