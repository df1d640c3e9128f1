//! The Lambda function `external`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::external::main()
}
