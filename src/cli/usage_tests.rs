use clap::{Arg, Command};

use super::*;

fn arguments(command: &Command, all: &mut Vec<String>) {
    let text = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string);
    all.extend(text(command.get_about()));
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        all.extend(text(argument.get_help()));
        let values = if argument.is_hide_possible_values_set() { Vec::new() } else { argument.get_possible_values() };
        all.extend(values.iter().filter_map(|value| text(value.get_help())));
    }
    command.get_subcommands().for_each(|command| arguments(command, all));
}

/// Not what a regular expression finds in our sources: what clap itself would show.
#[test]
fn every_text_of_the_help_has_a_row() {
    let mut command = Cli::command();
    command.build();
    let mut all = Vec::new();
    arguments(&command, &mut all);
    assert!(all.len() > 150, "{}", all.len());
    let missing: Vec<String> = all.into_iter().filter(|text| text != "简体中文" && said(text).is_none()).collect();
    assert!(missing.is_empty(), "add rows to src/output/chinese/help.txt:\n{}", missing.join("\n"));
}

#[test]
fn no_argument_is_without_help() {
    fn all(command: &Command, bare: &mut Vec<String>) {
        let here = command.get_arguments().filter(|one: &&Arg| one.get_help().is_none());
        bare.extend(here.map(|one| format!("{} {}", command.get_name(), one.get_id())));
        command.get_subcommands().for_each(|command| all(command, bare));
    }
    let mut bare = Vec::new();
    all(&Cli::command(), &mut bare);
    assert_eq!(bare, Vec::<String>::new());
}

fn lines(words: &str, width: usize) -> String {
    let argv: Vec<OsString> = words.split(' ').map(OsString::from).collect();
    let error = Cli::command().term_width(0).try_get_matches_from(argv).expect_err(words);
    let text = error.render().ansi().to_string();
    let text: String = text.lines().map(|line| in_chinese(line, width)).collect();
    strip_str(&text).to_string()
}

#[test]
fn help_is_laid_out_like_claps() {
    let wide = lines("opensoul monitor --help", 100);
    assert!(
        wide.starts_with("监控、导出指标、告警\n\n用法：opensoul monitor [选项] <命令>\n\n命令：\n  run "),
        "{wide}"
    );
    assert!(wide.contains("\n  init          写出带注释的配置文件\n"), "{wide}");
    assert!(wide.contains("\n选项：\n      --config <FILE>\n          本程序的配置文件 [默认：~/"), "{wide}");
    assert!(wide.contains("          可选值：\n          - en: 英文\n          - zh: 简体中文\n"), "{wide}");
    let narrow = lines("opensoul models status -h", 40);
    assert!(narrow.contains("\n      --plain\n          只输出默认模型\n"), "{narrow}");
    // A path stays whole, so that it can be copied.
    assert!(narrow.lines().all(|line| columns(line) <= 40 || line.contains("monitor.toml")), "{narrow}");
    let twice = lines("opensoul alerts silence --help", 80);
    assert!(twice.contains("opensoul alerts silence [选项] [MATCHER]...\n"), "{twice}");
    assert!(twice.contains("opensoul alerts silence <命令>\n"), "{twice}");
}

#[test]
fn what_is_wrong_is_said_in_its_frame() {
    for (words, said) in [
        (
            "opensoul --foo",
            "错误：意外的参数 '--foo'\n\n用法：opensoul [选项] <命令>\n\n更多信息请用 '--help' 查看。\n",
        ),
        ("opensoul status --jsonn", "错误：意外的参数 '--jsonn'\n\n  提示：有一个相似的参数：'--json'\n"),
        ("opensoul completions", "错误：缺少以下必需的参数：\n  <SHELL>\n"),
        ("opensoul doctor --severity-min x", "的值 'x' 无效\n  [可选值：info, warning, critical]\n"),
        ("opensoul status --json --format text", "错误：参数 '--json' 不能与 '--format <FORMAT>' 同时使用\n"),
        ("opensoul status --host", "错误：'--host <[USER@]SERVER[:PORT]>' 需要一个值\n"),
        ("opensoul status --host -x", "错误：意外的参数 '-x'\n"),
        ("opensoul status --host=-x", "无效：请写 [USER@]SERVER[:PORT]：字母"),
        ("opensoul models list x", "错误：意外的参数 'x'\n"),
        ("opensoul monitor x", "错误：无法识别的子命令 'x'\n"),
    ] {
        let text = lines(words, 80);
        assert!(text.contains(said), "{words}: {text}");
    }
}
