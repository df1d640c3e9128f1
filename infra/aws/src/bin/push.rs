//! The Lambda function `push`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::push::main()
}
