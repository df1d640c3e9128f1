//! The Lambda function `email`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::email::main()
}
