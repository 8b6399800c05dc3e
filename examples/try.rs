use pchadr::cli::rehearse;
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::report::terminal::Terminal;
use pchadr::run::store::MemoryStore;
fn main() {
    let n: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(24);
    let site = pchadr::site::Site::load(std::path::Path::new("runbooks/litware.toml")).unwrap();
    let ids: Vec<&str> = pchadr::step::Step::FAILOVER
        .iter()
        .map(|s| s.id())
        .collect();
    let runbook =
        pchadr::runbook::Runbook::parse(pchadr::runbook::FAILOVER, "failover.toml", &ids).unwrap();
    let plan = pchadr::plan::Plan::bind(&runbook, &site).unwrap();
    let store = MemoryStore::default();
    let sinks: Vec<Box<dyn pchadr::run::recorder::Sink>> =
        vec![Box::new(Terminal::piped(Box::new(std::io::stderr())))];
    let r = rehearse::run(
        &site,
        &plan,
        Default::default(),
        &Recipe::disaster(Logs::Made(n)),
        Box::new(store.clone()),
        sinks,
        &mut std::io::stdout(),
    );
    if std::env::var("J").is_ok() {
        println!("{}", String::from_utf8_lossy(&store.bytes()));
    }
    println!("{:?}", r.map(|f| f.outcome));
}
