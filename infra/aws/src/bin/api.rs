//! The Lambda function `api`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::api::main()
}
