//! The Lambda function `steps`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::steps::main()
}
