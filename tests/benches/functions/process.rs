//! The process of a function, with the variables that Lambda and the template give it.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// The command that runs a program, or a program in another one's hands, as a function. AWS is at the same address, by this
/// protocol.
pub(crate) fn command(line: &[OsString], api: SocketAddr, protocol: &str) -> Command {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    let secret = |of: &str| format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{of}");
    command
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", api.to_string()),
            ("AWS_ENDPOINT_URL", format!("{protocol}://{api}")),
            ("SENDOFF_QUEUE_URL_BASE", format!("http://{api}/000000000000/report-")),
            ("SMTP_URL_ARN", secret("smtp")),
            ("SENDOFF_AUTH_KEYS_ARN", secret("keys")),
        ])
        .envs([
            ("AWS_LAMBDA_FUNCTION_NAME", "report"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_SESSION_TOKEN", "test"),
            ("LANG", "en_US.UTF-8"),
            ("TZ", ":UTC"),
            ("SENDOFF_TABLE", "report-records"),
            ("SENDOFF_INBOX_TABLE", "report-inbox"),
            ("SENDOFF_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:report-events"),
            ("SENDOFF_BUCKET", "report-payloads"),
            ("SENDOFF_RUNS_ROLE_ARN", "arn:aws:iam::000000000000:role/runs"),
            ("SENDOFF_RUNS_PREFIX", "runs"),
            ("SENDOFF_FUNCTIONS", r#"{"steps":"arn:aws:lambda:us-east-1:000000000000:function:steps"}"#),
            ("SENDOFF_MAIL_FROM", "Sendoff <noreply@example.org>"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// What a process has used, as Linux counts it.
pub(crate) struct Used {
    pub(crate) cpu_ms: f64,
    pub(crate) rss_mib: f64,
}

impl Used {
    pub(crate) fn by(process: &Child) -> Self {
        let folder = Path::new("/proc").join(process.id().to_string());
        let threads = fs::read_dir(folder.join("task")).unwrap();
        let nanos = |thread: fs::DirEntry| {
            let schedule = fs::read_to_string(thread.path().join("schedstat")).unwrap();
            schedule.split(' ').next().unwrap().parse::<f64>().unwrap()
        };
        let cpu_ms = threads.map(|thread| nanos(thread.unwrap())).sum::<f64>() / 1e6;
        let status = fs::read_to_string(folder.join("status")).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: f64 = kib.trim().trim_end_matches(" kB").parse().unwrap();
        Self { cpu_ms, rss_mib: kib / 1024.0 }
    }
}
