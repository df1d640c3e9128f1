//! The Lambda function `webhook`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::webhook::main()
}
