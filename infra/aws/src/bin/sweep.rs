//! The Lambda function `sweep`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::sweep::main()
}
