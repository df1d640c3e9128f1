//! The Lambda function `whatsapp`.

fn main() -> Result<(), lambda_runtime::Error> {
    sendoff_aws::functions::whatsapp::main()
}
