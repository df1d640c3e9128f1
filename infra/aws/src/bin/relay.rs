//! The Lambda function `relay`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::relay::main()
}
