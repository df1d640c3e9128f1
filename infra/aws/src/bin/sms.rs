//! The Lambda function `sms`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::sms::main()
}
