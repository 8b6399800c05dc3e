use super::*;
use proptest::prelude::*;
use serde_json::json;

proptest! {
    #[test]
    fn a_json_text_in_ascii_has_the_same_value(text in any::<String>()) {
        let json = serde_json::to_string(&text).unwrap();
        let plain = ascii(&json);
        prop_assert!(plain.is_ascii());
        prop_assert_eq!(serde_json::from_str::<String>(&plain).unwrap(), text);
    }
}

/// Answers each request by a function of its nonce.
struct Script(fn(&str, &Value) -> String);

impl Launch for Script {
    fn launch(&self) -> BoxFuture<'_, io::Result<Launched>> {
        let answer = self.0;
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(4096);
            tokio::spawn(async move {
                let mut process = BufReader::new(theirs);
                let mut line = String::new();
                while process.read_line(&mut line).await.is_ok_and(|n| n > 0) {
                    let request: Value = serde_json::from_str(&line).unwrap();
                    let reply = answer(request["nonce"].as_str().unwrap(), &request);
                    if reply == "silence" {
                        let _ = process.read_u8().await;
                    }
                    if process.write_all(reply.as_bytes()).await.is_err() || reply.is_empty() {
                        break;
                    }
                    line.clear();
                }
            });
            Ok(Launched {
                stream: Box::new(ours),
                process: Some(ProcessId {
                    number: 7,
                    since: "a test".to_owned(),
                }),
            })
        })
    }

    fn is_there(&self, _process: &ProcessId) -> bool {
        false
    }

    fn end(&self, _process: &ProcessId) {}
}

fn door(answer: fn(&str, &Value) -> String) -> PowerShellDoor {
    PowerShellDoor::new(
        Arc::new(Script(answer)),
        "SkypeForBusiness",
        Duration::from_mins(1),
        7,
    )
}

fn call() -> Call<'static> {
    Call {
        cmdlet: "Get-CsService",
        parameters: BTreeMap::from([("PersistentChatServer", json!(true))]),
        properties: &["Identity"],
        limit: None,
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_found_by_its_nonce_among_other_lines() {
    let door = door(|nonce, request| {
        if request["import"].is_string() {
            return format!("@pchadr {nonce} {{}}\r\n");
        }
        format!(
            "WARNING: old\n@pchadr 00 {{\"objects\":[]}}\n@pchadr {nonce} {{\"objects\":[{{\"Identity\":\"x\",\"ActiveServers\":null}}],\"errors\":[]}}\r\n"
        )
    });
    let objects = door.call(call()).await.unwrap();
    assert_eq!(objects[0].text("Identity"), Some("x"));
    assert_eq!(objects[0].list("ActiveServers"), Some(Vec::new()));
    assert_eq!(objects[0].list("Registrar"), None);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_any_kind_is_a_failure_and_leaves_the_process_usable() {
    let door = door(|nonce, request| {
        if request["import"].is_string() {
            return format!("@pchadr {nonce} {{}}\n");
        }
        format!("@pchadr {nonce} {{\"errors\":[{{\"message\":\"no\",\"id\":\"X\"}}]}}\n")
    });
    for _ in 0..2 {
        let error = door.call(call()).await.unwrap_err();
        assert_eq!(error.fate, Fate::Refused);
        assert_eq!(error.to_string(), "`Get-CsService`: no");
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_and_every_warning_of_an_answer_is_kept() {
    let door = door(|nonce, request| {
        if request["import"].is_string() {
            return format!("@pchadr {nonce} {{}}\n");
        }
        let errors = match request["cmdlet"].as_str() {
            Some("Get-CsPool") => "",
            _ => r#"{"message":"no","id":"X"},{"message":"and no","id":"Y"}"#,
        };
        format!("@pchadr {nonce} {{\"errors\":[{errors}],\"warnings\":[\"w1\",\"w2\"]}}\n")
    });
    let error = door.call(call()).await.unwrap_err();
    let problem = Problem::from(&error);
    assert_eq!(problem.why, "no; and no; warning: w1; warning: w2");
    let pool = Call {
        cmdlet: "Get-CsPool",
        ..call()
    };
    let answer = door.call_told(pool, &|_| true).await.unwrap();
    assert_eq!(answer.warnings, ["w1", "w2"]);
}

#[tokio::test(start_paused = true)]
async fn a_powershell_that_ends_before_it_has_answered_is_a_lack_of_this_machine() {
    let door = door(|_, _| String::new());
    let error = door.call(call()).await.unwrap_err();
    assert_eq!(error.fate, Fate::NotSent);
    let problem = Problem::from(&error);
    assert_eq!(problem.place, Some(Place::ThisMachine));
    assert!(
        problem.why.contains("PowerShell did not start"),
        "{problem}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_withheld_is_not_sent_and_leaves_the_process_usable() {
    let door = door(|nonce, request| match request["cmdlet"].as_str() {
        Some(cmdlet) => panic!("{cmdlet} was sent"),
        None => format!("@pchadr {nonce} {{}}\n"),
    });
    let told = std::sync::Mutex::new(Vec::new());
    for _ in 0..2 {
        let may = |process: &ProcessId| {
            told.lock().unwrap().push(process.number);
            false
        };
        let error = door.call_told(call(), &may).await.unwrap_err();
        assert_eq!(
            (error.failure, error.fate),
            (Failure::Withheld, Fate::NotSent)
        );
    }
    assert_eq!(told.into_inner().unwrap(), [7, 7]);
}

#[tokio::test(start_paused = true)]
async fn silence_an_end_and_garbage_leave_the_outcome_unknown() {
    fn imported(nonce: &str, request: &Value) -> Option<String> {
        request["import"]
            .is_string()
            .then(|| format!("@pchadr {nonce} {{}}\n"))
    }
    let silent = door(|n, r| imported(n, r).unwrap_or_else(|| "silence".to_owned()));
    let ended = door(|n, r| imported(n, r).unwrap_or_default());
    let garbled = door(|n, r| imported(n, r).unwrap_or_else(|| format!("@pchadr {n} {{nil\n")));
    for (door, failure) in [
        (silent, Failure::TimedOut(Duration::from_mins(1))),
        (ended, Failure::Ended(String::new())),
        (garbled, Failure::Garbled("{nil".to_owned())),
    ] {
        let error = door.call(call()).await.unwrap_err();
        assert_eq!(error.failure, failure);
        assert_eq!(error.fate, Fate::Unknown);
    }
}
