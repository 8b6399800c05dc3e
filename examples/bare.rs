//! A program that only takes its command line apart: the peer of the dry run's speed.

use clap::Parser;

#[derive(Parser)]
struct Line {
    word: String,
    #[arg(long)]
    config: Option<String>,
    #[arg(long)]
    dry_run: bool,
}

fn main() {
    let line = Line::parse();
    assert!(line.dry_run && line.config.is_some() && !line.word.is_empty());
}
